import { type Api, told } from "../api/client";
import { asFailure } from "../api/failure";
import type { Begun } from "./sender";

/** Codes at which an upload is over for good, and a new one has to be begun. */
export const OVER = ["UPLOAD_EXPIRED", "UPLOAD_NOT_FOUND", "UPLOAD_NOT_ACTIVE"];

export interface GivenUp {
  begun: Pick<Begun, "uploadId"> | null;
  /** The video that was made for the upload, which goes with it; empty where it was there before. */
  made: string;
}

/** What there is of a video whose upload was given up: nothing any more, a draft, or all, as its file had arrived. */
export type Left = "nothing" | "draft" | "all";

/** Ends an upload, and removes the draft that it leaves; a video that has its file by now stays. Throws `Failure`; the
 * upload then expires within the hour. */
export async function giveUp(api: Api, { begun, made }: GivenUp): Promise<Left> {
  if (begun) {
    const ended = api.DELETE("/v1/uploads/{upload_id}", { params: { path: { upload_id: begun.uploadId } } });
    const refused = await told(ended).then(() => null, asFailure);
    if (refused?.code === "UPLOAD_NOT_ACTIVE") return "all"; // it is complete: any other may be given up again
    if (refused && !OVER.includes(refused.code)) throw refused;
  }
  if (!made) return "draft";
  const params = { path: { video_id: made } };
  const { status } = await told(api.GET("/v1/videos/{video_id}/status", { params }));
  if (status !== "DRAFT" && status !== "UPLOADING") return "all";
  await told(api.DELETE("/v1/videos/{video_id}", { params }));
  return "nothing";
}

/** What became of an upload that was given up, for its owner. */
export function wordsOf(left: Left, title: string): string {
  if (left === "all") return `“${title}” had arrived already, and stays among your videos.`;
  return `The upload of “${title}” is given up.${left === "draft" ? " The video stays as a draft." : ""}`;
}

/** Whether the API has all of an upload. Throws `Failure`. */
export async function hasArrived(api: Api, { uploadId }: Begun): Promise<boolean> {
  const { status } = await told(api.GET("/v1/uploads/{upload_id}", { params: { path: { upload_id: uploadId } } }));
  return status === "COMPLETING" || status === "COMPLETED";
}
