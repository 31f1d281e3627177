import type { VideoSummary } from "../api/types";
import { ago, capital } from "../format";
import { Thumbnail } from "../player/thumbnail";
import { hrefOf } from "../route";
import { StatusPill } from "./pill";

/** An own video in a list. */
export function VideoCard({ video }: { video: VideoSummary }) {
  const { video_id, title, status, category, visibility, thumbnail_url, preview_url, duration_ms } = video;
  return (
    <article class="card" aria-label={title}>
      <a class="card-link" href={hrefOf({ page: "video", id: video_id })}>
        <Thumbnail poster={thumbnail_url} preview={preview_url} durationMs={duration_ms} />
        <span class="card-body">
          <span class="card-title">{title}</span>
          <span class="card-facts">
            <StatusPill status={status} />
            <span>{capital(category)}</span>
            {visibility !== "public" && <span>{capital(visibility)}</span>}
            <span>{ago(video.published_at ?? video.created_at)}</span>
          </span>
        </span>
      </a>
    </article>
  );
}
