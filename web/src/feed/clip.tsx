import { useState } from "preact/hooks";
import { told } from "../api/client";
import type { VideoSummary } from "../api/types";
import { ago, capital } from "../format";
import { Avatar } from "../people/avatar";
import { FollowButton } from "../people/follow-button";
import { Player } from "../player/player";
import { Thumbnail } from "../player/thumbnail";
import { hrefOf } from "../route";
import { useStudio } from "../studio";
import { Icon } from "../ui/icon";

/** A published video of somebody, which plays where it is. */
export function Clip({ video, author = true }: { video: VideoSummary; author?: boolean }) {
  const { api, session, toasts } = useStudio();
  const [address, setAddress] = useState<string | null>(null);
  const { video_id, user_id, title, category, thumbnail_url, preview_url, duration_ms } = video;
  const name = session.nameOf(user_id);

  async function renew() {
    try {
      const now = await told(api.GET("/v1/videos/{video_id}", { params: { path: { video_id } } }));
      setAddress(now.assets.find(({ kind }) => kind === "HLS")?.url ?? null);
    } catch (error) {
      toasts.fail(error);
    }
  }

  return (
    <article class="card" aria-label={title}>
      {address ? (
        <Player
          title={title}
          url={address}
          {...(thumbnail_url && { poster: thumbnail_url })}
          autoplay
          renew={() => void renew()}
        />
      ) : (
        <button
          type="button"
          class="card-play"
          onClick={() => (video.hls_url ? setAddress(video.hls_url) : void renew())}
        >
          <span class="hidden">Play {title}</span>
          <Thumbnail poster={thumbnail_url} preview={preview_url} durationMs={duration_ms} />
          <span class="card-play-mark">
            <Icon name="play" />
          </span>
        </button>
      )}
      <div class="card-body">
        <a class="card-title" href={hrefOf({ page: "video", id: video_id })}>
          {title}
        </a>
        <p class="card-facts">
          <span>{capital(category)}</span>
          <span>{ago(video.published_at ?? video.created_at)}</span>
        </p>
        {author && (
          <div class="card-author">
            <a href={hrefOf({ page: "person", id: user_id })}>
              <Avatar userId={user_id} name={name} />
              {name}
            </a>
            <FollowButton userId={user_id} />
          </div>
        )}
      </div>
    </article>
  );
}
