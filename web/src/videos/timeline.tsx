import { told } from "../api/client";
import { dateTime, span, timeOfDay } from "../format";
import { useStudio } from "../studio";
import { useLoad } from "../ui/load";
import { Loading, Trouble } from "../ui/parts";
import { chapterOf } from "./story";

/** What happened to an own video, told again whenever `sequence` says that there is more. */
export function Timeline({ videoId, sequence }: { videoId: string; sequence: number }) {
  const { api } = useStudio();
  const { value, failure, reload } = useLoad(
    `timeline ${videoId}`,
    (signal) => told(api.GET("/v1/videos/{video_id}/timeline", { params: { path: { video_id: videoId } }, signal })),
    { version: sequence },
  );
  if (failure) return <Trouble error={failure} again={reload} />;
  if (!value) return <Loading what="the timeline" shape="row" shapes={4} />;
  const generations = new Set(value.entries.map(({ generation }) => generation));
  return (
    <ol class="story" aria-label="Timeline">
      {value.entries.map((entry, index) => {
        const { title, text, tone } = chapterOf(entry);
        const isFirst = index === 0 || value.entries[index - 1]?.generation !== entry.generation;
        return (
          <li key={index} class={`chapter chapter-${tone}`}>
            {isFirst && generations.size > 1 && <p class="chapter-part">Upload or retry {entry.generation}</p>}
            <p class="chapter-title">
              {title}
              {entry.since_previous_ms > 0 && <span class="chapter-after">after {span(entry.since_previous_ms)}</span>}
            </p>
            {text && <p>{text}</p>}
            <time class="hint" dateTime={entry.time}>
              {isFirst ? dateTime(entry.time) : timeOfDay(entry.time)}
            </time>
          </li>
        );
      })}
    </ol>
  );
}
