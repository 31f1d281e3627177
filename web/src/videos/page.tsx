import { useEffect, useRef, useState } from "preact/hooks";
import { told } from "../api/client";
import { asFailure } from "../api/failure";
import type { Video, VideoStatus } from "../api/types";
import { ago, capital, clock } from "../format";
import { Avatar } from "../people/avatar";
import { FollowButton } from "../people/follow-button";
import { Player } from "../player/player";
import { freshSource, sourceOf } from "../player/source";
import { hrefOf } from "../route";
import { useStudio } from "../studio";
import { Icon } from "../ui/icon";
import { useLoad } from "../ui/load";
import { ButtonLink, Loading, PageTitle, Trouble } from "../ui/parts";
import { EditDetails, NextStep, VideoTools } from "./owner";
import { StatusPill } from "./pill";
import { Progress } from "./steps";
import { Timeline } from "./timeline";

/** One video: for its owner with all that is to be done, for others to watch. */
export function VideoPage({ id }: { id: string }) {
  const { api, me } = useStudio();
  const { value, failure, reload, set } = useLoad(id, (signal) =>
    told(api.GET("/v1/videos/{video_id}", { params: { path: { video_id: id } }, signal })),
  );
  if (!value) {
    return (
      <>
        <PageTitle>Video</PageTitle>
        {failure ? <Trouble error={failure} again={reload} /> : <Loading what="the video" shapes={1} />}
        {failure?.status === 404 && (
          <ButtonLink href={hrefOf({ page: "discover", category: "" })}>Discover clips</ButtonLink>
        )}
      </>
    );
  }
  return value.user_id === me ? <OwnVideo video={value} reload={reload} show={set} /> : <OthersVideo video={value} />;
}

function OthersVideo({ video }: { video: Video }) {
  const { session } = useStudio();
  const name = session.nameOf(video.user_id);
  return (
    <div class="watch">
      <div class="watch-main">
        <Stage video={video} />
        <PageTitle>{video.title}</PageTitle>
        <Facts video={video} />
        <div class="card-author">
          <a href={hrefOf({ page: "person", id: video.user_id })}>
            <Avatar userId={video.user_id} name={name} />
            {name}
          </a>
          <FollowButton userId={video.user_id} />
        </div>
        {video.description && <p class="description">{video.description}</p>}
        <VideoTools video={video} canDelete={false} />
      </div>
    </div>
  );
}

interface OwnVideoProps {
  video: Video;
  reload: () => void;
  show: (video: Video) => void;
}

function OwnVideo({ video, reload, show }: OwnVideoProps) {
  const { status, failure, again } = useStatus(video, reload);
  return (
    <div class="watch">
      <div class="watch-main">
        {sourceOf(video.assets) ? (
          <Stage video={video} />
        ) : (
          <span class="thumbnail stage-none">
            <span class="thumbnail-none">
              <Icon name={status?.reason ? "alert" : "clock"} />
            </span>
          </span>
        )}
        <PageTitle side={<StatusPill status={status?.status ?? video.status} />}>{video.title}</PageTitle>
        <Facts video={video} />
        {failure && <Trouble error={failure} again={again} />}
        {status && status.status !== "PUBLISHED" && status.status !== "DELETED" && (
          <Progress status={status} title={video.title} />
        )}
        {status && <NextStep video={video} status={status} reload={again} />}
        <VideoTools video={video} canDelete={status?.allowed_actions.includes("delete") ?? false} />
      </div>
      <div class="watch-side">
        {status?.allowed_actions.includes("update") && <EditDetails video={video} show={show} />}
        <section class="panel" aria-labelledby="happened">
          <h2 id="happened">What happened</h2>
          <Timeline videoId={video.video_id} sequence={status?.sequence ?? video.sequence} />
        </section>
      </div>
    </div>
  );
}

/** The status as it changes; the video is asked for again when it has moved on from what is shown. */
function useStatus(video: Video, reload: () => void) {
  const { watch } = useStudio();
  const [status, setStatus] = useState<VideoStatus | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const sequence = useRef(video.sequence);
  useEffect(() => {
    const leaving = new AbortController();
    const take = (now: VideoStatus) => {
      setStatus(now);
      if (now.sequence !== sequence.current) reload();
      sequence.current = now.sequence;
    };
    setFailure(null);
    watch(video.video_id, take, leaving.signal).catch((error: unknown) => setFailure(asFailure(error)));
    return () => leaving.abort();
  }, [video.video_id, round]);
  return {
    status,
    failure,
    again() {
      reload();
      setRound(round + 1);
    },
  };
}

function Stage({ video }: { video: Video }) {
  const { api } = useStudio();
  const poster = video.assets.find(({ kind }) => kind === "THUMB")?.url;
  const source = sourceOf(video.assets);
  if (!source) return null;
  return (
    <Player
      key={video.video_id}
      title={video.title}
      source={source}
      {...(poster && { poster })}
      renew={() => freshSource(api, video.video_id)}
    />
  );
}

function Facts({ video }: { video: Video }) {
  const { category, visibility, duration_ms, width, height, published_at, created_at } = video;
  return (
    <p class="card-facts">
      <span>{capital(category)}</span>
      <span>{capital(visibility)}</span>
      {duration_ms !== undefined && <span>{clock(duration_ms)}</span>}
      {width !== undefined && height !== undefined && <span>{`${width}×${height}`}</span>}
      <span>{published_at ? `Published ${ago(published_at)}` : `Uploaded ${ago(created_at)}`}</span>
    </p>
  );
}
