import type { Api } from "../api/client";
import { told } from "../api/client";
import { follow, pause } from "../api/stream";
import type { VideoStatus } from "../api/types";

/** A browser opens six connections to a host at most, so only so many videos are followed by a stream of their own. */
const STREAMS = 2;
const POLL_MS = 2500;

export type Watch = (videoId: string, onStatus: (status: VideoStatus) => void, signal: AbortSignal) => Promise<void>;

/** Follows the status of own videos until it is final: by streams while there is room, else by polling. */
export function watching(api: Api): Watch {
  let streams = 0;

  return async (videoId, onStatus, signal) => {
    let seen: VideoStatus | undefined;
    const take = (status: VideoStatus) => {
      if (seen && status.sequence < seen.sequence) return seen.final;
      seen = status;
      onStatus(status);
      return status.final;
    };
    const poll = async () =>
      take(await told(api.GET("/v1/videos/{video_id}/status", { params: { path: { video_id: videoId } }, signal })));

    while (streams >= STREAMS && !signal.aborted) {
      if (await poll()) return;
      await pause(POLL_MS, signal);
    }
    if (signal.aborted) return;
    streams += 1;
    try {
      await follow({
        open: (lastEventId, either) => api.stream(`/v1/videos/${videoId}/events`, lastEventId, either),
        take: (data) => take(JSON.parse(data) as VideoStatus),
        poll,
        signal,
      });
    } finally {
      streams -= 1;
    }
  };
}
