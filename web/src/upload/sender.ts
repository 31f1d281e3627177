import AwsS3 from "@uppy/aws-s3";
import Uppy, { type Body, type Meta, type UppyFile } from "@uppy/core";
import { type Api, told } from "../api/client";
import { asFailure, Failure } from "../api/failure";
import type { Visibility } from "../api/types";
import { rateMeter } from "./rate";
import { signedParts } from "./signatures";

/** How long a part is: what the API suggests. Uppy asks before the API could be asked. */
export const PART_BYTES = 10 * 1024 * 1024;
const REQUESTS_AT_ONCE = 4;
const RETRY_DELAYS_MS = [0, 1000, 3000];

/** What an upload is announced with. */
export interface Announcement extends Meta {
  /** Whose file it is, by what the caller calls it. */
  transfer: string;
  title: string;
  description: string;
  category: string;
  visibility: Visibility;
  contentType: "video/mp4" | "video/quicktime";
  fingerprint: string;
  /** Makes the announcement safe to repeat. */
  key: string;
  /** The own video to upload again into; empty for a new one. */
  into: string;
}

export interface Begun {
  uploadId: string;
  videoId: string;
}

/** What becomes of a transfer. */
export interface Heard {
  begun(id: string, begun: Begun): void;
  progressed(id: string, sentBytes: number, bytesPerSecond: number | null): void;
  stored(id: string): void;
  failed(id: string, failure: Failure): void;
}

type Clip = UppyFile<Announcement, Body>;

interface Sent {
  /** What Uppy calls it. */
  file: string;
  meter: ReturnType<typeof rateMeter>;
  /** The plugin has let go of it: unlike one that is paused, it has to be begun again. */
  failed: boolean;
}

/** Uppy with its S3 multipart plugin on the API's own endpoints. The API decides about uploads, so Uppy never ends one
 * by itself: what failed can be resumed. */
export function openSender(api: Api, heard: Heard) {
  const sending = new Map<string, Sent>(); // by transfer
  const logger = { debug() {}, warn() {}, error() {} }; // what fails is told on the page
  const uppy = new Uppy<Announcement, Body>({ autoProceed: false, allowMultipleUploadBatches: true, logger });
  const sign = signedParts(api);
  uppy.use(AwsS3<Announcement, Body>, {
    id: "s3",
    shouldUseMultipart: true,
    limit: REQUESTS_AT_ONCE,
    retryDelays: RETRY_DELAYS_MS,
    getChunkSize: () => PART_BYTES,
    createMultipartUpload: async (file: Clip) => {
      const begun = await announce(api, file);
      heard.begun(file.meta.transfer, begun);
      return { uploadId: begun.uploadId, key: begun.videoId };
    },
    listParts: async (_file: Clip, { uploadId, signal }) => {
      const upload = await told(
        api.GET("/v1/uploads/{upload_id}", { params: { path: { upload_id: uploadId! } }, ...(signal && { signal }) }),
      );
      // The answer to complete was lost: nothing is to be sent.
      if (upload.status === "COMPLETED" || upload.status === "COMPLETING") throw new Stored();
      return upload.parts_received.map((part) => ({
        PartNumber: part.part_number,
        Size: part.size_bytes,
        ETag: part.etag,
      }));
    },
    signPart: async (_file: Clip, { uploadId, partNumber, body }) => {
      const { url, headers } = await sign(uploadId, partNumber, body.size);
      return { method: "PUT" as const, url, headers };
    },
    completeMultipartUpload: async (_file: Clip, { uploadId, parts }) => {
      await told(
        api.POST("/v1/uploads/{upload_id}/complete", {
          params: { path: { upload_id: uploadId! } },
          body: { parts: parts.map((part) => ({ part_number: part.PartNumber!, etag: part.ETag! })) },
        }),
      );
      return {};
    },
    abortMultipartUpload: () => {},
  });
  function stored(file: Clip) {
    forget(file.meta.transfer);
    heard.stored(file.meta.transfer);
  }
  function forget(id: string) {
    const file = sending.get(id)?.file;
    sending.delete(id);
    if (file && uppy.getFile(file)) uppy.removeFile(file);
  }
  uppy.on("upload-progress", (file, { bytesUploaded }) => {
    const sent = bytesUploaded || 0;
    if (file) heard.progressed(file.meta.transfer, sent, sending.get(file.meta.transfer)?.meter.note(sent) ?? null);
  });
  uppy.on("upload-success", (file) => file && stored(file));
  uppy.on("upload-error", (file, error) => {
    const sent = file && sending.get(file.meta.transfer);
    if (!sent) return;
    sent.failed = true;
    if (error instanceof Stored) stored(file);
    else heard.failed(file.meta.transfer, sendingFailure(error));
  });

  return {
    /** Takes a file in and sends it; with `begun` only those parts of it that are missing. */
    send(clip: File, announcement: Announcement, begun: Begun | null) {
      forget(announcement.transfer);
      const { name } = clip;
      const data = clip.slice(); // the plugin knows an upload by this object, and would go on with one that is over
      const file = uppy.addFile({ name, type: announcement.contentType, data, meta: announcement });
      sending.set(announcement.transfer, { file, meter: rateMeter(), failed: false });
      if (begun) uppy.setFileState(file, resumed(begun));
      uppy.upload().catch(() => undefined); // each failure is told by upload-error
    },
    /** Sends what is missing: after a pause, or after a failure. */
    resume(id: string, begun: Begun | null): void {
      const sent = sending.get(id);
      if (!sent) return;
      sent.meter.restart();
      if (sent.failed) {
        sent.failed = false;
        if (begun) uppy.setFileState(sent.file, resumed(begun));
        uppy.retryUpload(sent.file).catch(() => undefined);
      } else if (uppy.getFile(sent.file).isPaused) uppy.pauseResume(sent.file);
    },
    pause(id: string) {
      const file = sending.get(id)?.file;
      if (file && !uppy.getFile(file).isPaused) uppy.pauseResume(file);
    },
    /** Stops sending; what was sent stays with the API. */
    forget,
    close: () => uppy.destroy(),
  };
}

export type Sender = ReturnType<typeof openSender>;

/** Thrown where an upload that is to be resumed turns out to be complete. */
class Stored extends Error {}

/** By this the plugin knows an upload that was begun before, and asks for its parts first. */
function resumed({ uploadId, videoId }: Begun): Partial<Clip> {
  return { s3Multipart: { uploadId, key: videoId } } as Partial<Clip>;
}

async function announce(api: Api, { meta, name, size, type }: Clip): Promise<Begun> {
  const { title, description, category, visibility, fingerprint, key, into } = meta;
  const begun = await told(
    api.POST("/v1/uploads/initiate", {
      params: { header: { "Idempotency-Key": key } },
      body: {
        ...{ title, category, visibility, fingerprint },
        ...(description && { description }),
        ...(into && { video_id: into }),
        filename: name,
        content_type: type as Announcement["contentType"],
        file_size_bytes: size ?? 0,
      },
    }),
  );
  return { uploadId: begun.upload_id, videoId: begun.video_id };
}

/** What went wrong between here and S3, or at the API. */
function sendingFailure(error: Error & { source?: unknown }): Failure {
  const status = error.source instanceof XMLHttpRequest ? error.source.status : null;
  if (status === null && error.name !== "AbortError") return asFailure(error);
  if (!status) return asFailure(new TypeError());
  // A signature that ran out on a slow line is made anew, as a storage that is busy is asked anew. Where the upload is
  // over, 404, the API tells how it ended.
  if (status === 403 || status === 404 || status >= 500) {
    return new Failure("UNREACHABLE", `The storage answered with status ${status}.`, "It is tried again.", 503);
  }
  return new Failure("STORAGE_REFUSED", `The storage refused a part with status ${status}.`, "Try again.", status);
}
