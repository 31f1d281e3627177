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

/** Ends an upload, and removes the draft that it leaves; whether the video is gone. One that has its file by now stays.
 * Throws `Failure`; the upload then expires within the hour. */
export async function giveUp(api: Api, { begun, made }: GivenUp): Promise<boolean> {
  if (begun) {
    const ended = api.DELETE("/v1/uploads/{upload_id}", { params: { path: { upload_id: begun.uploadId } } });
    await told(ended).catch((error: unknown) => {
      if (!OVER.includes(asFailure(error).code)) throw error;
    });
  }
  if (!made) return false;
  const params = { path: { video_id: made } };
  const { status } = await told(api.GET("/v1/videos/{video_id}/status", { params }));
  if (status !== "DRAFT" && status !== "UPLOADING") return false;
  await told(api.DELETE("/v1/videos/{video_id}", { params }));
  return true;
}
