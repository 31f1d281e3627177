import type { Api } from "../api/client";
import { told } from "../api/client";
import { follow } from "../api/stream";
import type { VideoStatus } from "../api/types";

export type Watch = (videoId: string, onStatus: (status: VideoStatus) => void, signal: AbortSignal) => Promise<void>;

/** Follows the status of own videos until it is final: by streams while there is room, else by polling. */
export function watching(api: Api): Watch {
  return async (videoId, onStatus, signal) => {
    let seen: VideoStatus | undefined;
    const take = (status: VideoStatus) => {
      if (seen && status.sequence < seen.sequence) return seen.final;
      seen = status;
      onStatus(status);
      return status.final;
    };
    const params = { path: { video_id: videoId } };
    await follow({
      open: (lastEventId, either) => api.stream(`/v1/videos/${videoId}/events`, lastEventId, either),
      take: (data) => take(JSON.parse(data) as VideoStatus),
      poll: async () => take(await told(api.GET("/v1/videos/{video_id}/status", { params, signal }))),
      signal,
    });
  };
}
