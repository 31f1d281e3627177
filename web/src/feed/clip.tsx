import { useEffect, useRef, useState } from "preact/hooks";
import type { VideoSummary } from "../api/types";
import { ago, capital } from "../format";
import { Avatar } from "../people/avatar";
import { FollowButton } from "../people/follow-button";
import { Player } from "../player/player";
import { freshSource, type Source } from "../player/source";
import { Thumbnail } from "../player/thumbnail";
import { hrefOf } from "../route";
import { useStudio } from "../studio";
import { Icon } from "../ui/icon";

interface ClipProps {
  video: VideoSummary;
  author?: boolean;
  /** Whether it is the one clip of its list that plays. */
  playing: boolean;
  play: () => void;
  stop: () => void;
}

/** A published video of somebody, which plays where it is while it can be seen. */
export function Clip({ video, author = true, playing, play, stop }: ClipProps) {
  const { api, session, toasts } = useStudio();
  const { video_id, user_id, title, category, thumbnail_url, preview_url, duration_ms, hls_url } = video;
  const [source, setSource] = useState<Source | null>(null);
  const card = useRef<HTMLElement>(null);
  const name = session.nameOf(user_id);
  useEffect(() => (playing ? whenOutOfSight(card.current!, stop) : undefined), [playing]);

  async function start() {
    try {
      setSource(hls_url ? { kind: "HLS", url: hls_url } : await freshSource(api, video_id));
      play();
    } catch (error) {
      toasts.fail(error);
    }
  }

  return (
    <article ref={card} class="card" aria-label={title}>
      {playing && source ? (
        <Player
          title={title}
          source={source}
          {...(thumbnail_url && { poster: thumbnail_url })}
          autoplay
          renew={() => freshSource(api, video_id)}
        />
      ) : (
        <button type="button" class="card-play" onClick={() => void start()}>
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

/** Calls `leave` when an element is scrolled away, unless its video fills the screen or has a window of its own. */
function whenOutOfSight(element: HTMLElement, leave: () => void): () => void {
  const observer = new IntersectionObserver(([entry]) => {
    const apart = document.pictureInPictureElement ?? document.fullscreenElement;
    if (!entry?.isIntersecting && !(apart && element.contains(apart))) leave();
  });
  observer.observe(element);
  return () => observer.disconnect();
}
