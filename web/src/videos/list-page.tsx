import { useEffect } from "preact/hooks";
import { told } from "../api/client";
import type { Status, VideoSummary } from "../api/types";
import { capital } from "../format";
import { goTo, hrefOf } from "../route";
import { useStudio } from "../studio";
import { usePages } from "../ui/load";
import { Button, ButtonLink, Empty, Field, Loading, PageTitle, Trouble } from "../ui/parts";
import { VideoCard } from "./card";
import { isCategory, NoCategory } from "./category";
import { FILTERS, isMoving, STATES } from "./states";

const PAGE = 24;
const LOOK_AGAIN_MS = 4000;
const LOOKED_AT = 6;

/** Own videos, by state and category. */
export function VideosPage({ status, category }: { status: string; category: string }) {
  const { config } = useStudio();
  const asked = FILTERS.find((one) => one === status) ?? "";
  return (
    <>
      <PageTitle
        side={
          <ButtonLink href={hrefOf({ page: "upload" })} kind="primary">
            Upload clips
          </ButtonLink>
        }
      >
        Your videos
      </PageTitle>
      <div class="filters">
        <nav class="chips" aria-label="States">
          {["" as const, ...FILTERS].map((one) => (
            <a
              key={one}
              class="chip"
              href={hrefOf({ page: "videos", status: one, category })}
              aria-current={one === asked ? "true" : undefined}
            >
              {one === "" ? "All" : STATES[one].word}
            </a>
          ))}
        </nav>
        <Field label="Category">
          {(names) => (
            <select
              {...names}
              value={category}
              onChange={(event) => goTo({ page: "videos", status: asked, category: event.currentTarget.value })}
            >
              <option value="">Every category</option>
              {config.categories.map((one) => (
                <option key={one} value={one}>
                  {capital(one)}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      {isCategory(category, config) ? (
        <OwnVideos asked={asked} category={category} />
      ) : (
        <NoCategory category={category}>
          <ButtonLink href={hrefOf({ page: "videos", status: "", category: "" })} kind="primary">
            All your videos
          </ButtonLink>
        </NoCategory>
      )}
    </>
  );
}

/** The own videos in a state and of a category, either of which may be empty for all. */
function OwnVideos({ asked, category }: { asked: Status | ""; category: string }) {
  const { api } = useStudio();
  const { items, failure, more, reload, change } = usePages<VideoSummary>(
    `${asked} ${category}`,
    async (token, signal) => {
      const filter = { ...(asked && { status: asked }), ...(category && { category }) };
      const query = { page_size: PAGE, ...filter, ...(token && { page_token: token }) };
      const page = await told(api.GET("/v1/videos", { params: { query }, ...(signal && { signal }) }));
      return { items: page.videos, next: page.next_page_token };
    },
  );
  useMoving(items, change);

  return (
    <>
      {failure && <Trouble error={failure} again={reload} />}
      {!items && !failure && <Loading what="your videos" />}
      {items?.length === 0 && (
        <Empty icon="film" title={asked || category ? "Nothing here" : "No videos yet"}>
          <p>
            {asked || category
              ? "No video of yours is in this state and category."
              : "Clips of up to 30 seconds that you upload are listed here."}
          </p>
          <ButtonLink href={hrefOf({ page: "upload" })} kind="primary">
            Upload clips
          </ButtonLink>
        </Empty>
      )}
      <div class="grid">
        {items?.map((video) => (
          <VideoCard key={video.video_id} video={video} />
        ))}
      </div>
      {more && (
        <div class="more">
          <Button onClick={more}>Show more</Button>
        </div>
      )}
    </>
  );
}

/** Asks for those videos of a list again that are on their way, until they have arrived. */
function useMoving(items: VideoSummary[] | null, change: (edit: (items: VideoSummary[]) => VideoSummary[]) => void) {
  const { api } = useStudio();
  const moving = (items ?? []).filter(({ status }) => isMoving(status)).slice(0, LOOKED_AT);
  const key = moving.map(({ video_id, status }) => video_id + status).join();
  useEffect(() => {
    if (moving.length === 0) return;
    const leaving = new AbortController();
    async function look() {
      for (const { video_id, status } of moving) {
        const reply = api.GET("/v1/videos/{video_id}", { params: { path: { video_id } }, signal: leaving.signal });
        const now = await told(reply).catch(() => null);
        if (!now || leaving.signal.aborted || now.status === status) continue;
        const thumbnail = now.assets.find(({ kind }) => kind === "THUMB")?.url;
        const preview = now.assets.find(({ kind }) => kind === "PREVIEW")?.url;
        const pictures = { ...(thumbnail && { thumbnail_url: thumbnail }), ...(preview && { preview_url: preview }) };
        const measured = now.duration_ms === undefined ? {} : { duration_ms: now.duration_ms };
        const fresh = { status: now.status as Status, ...pictures, ...measured };
        change((all) => all.map((one) => (one.video_id === video_id ? { ...one, ...fresh } : one)));
      }
    }
    const timer = setInterval(() => document.visibilityState === "visible" && void look(), LOOK_AGAIN_MS);
    return () => {
      clearInterval(timer);
      leaving.abort();
    };
  }, [key]);
}
