import { type Api, told } from "../api/client";
import { Failure } from "../api/failure";
import type { Video } from "../api/types";

/** What a player is given: a stream with several qualities, or one file. */
export interface Source {
  kind: "HLS" | "MP4";
  url: string;
}

const FILES = ["MP4_720", "MP4_480", "MP4_240"];

/** The best of what a video can be played from: its stream, else its largest file; null where there is neither. */
export function sourceOf(assets: Video["assets"]): Source | null {
  const url = (kind: string) => assets.find((asset) => asset.kind === kind)?.url;
  const stream = url("HLS");
  if (stream) return { kind: "HLS", url: stream };
  const file = FILES.map(url).find(Boolean);
  return file ? { kind: "MP4", url: file } : null;
}

/** What a video can be played from, asked for now. Throws `Failure`, also where there is nothing that plays. */
export async function freshSource(api: Api, videoId: string): Promise<Source> {
  const video = await told(api.GET("/v1/videos/{video_id}", { params: { path: { video_id: videoId } } }));
  const source = sourceOf(video.assets);
  if (source) return source;
  throw new Failure("NOT_PLAYABLE", `“${video.title}” has nothing that can be played.`, "Look again in a while.");
}
