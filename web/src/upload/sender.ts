import AwsS3 from "@uppy/aws-s3";
import Uppy, { type Body, type Meta, type UppyFile } from "@uppy/core";
import { type Api, told } from "../api/client";
import { asFailure, Failure } from "../api/failure";
import type { Visibility } from "../api/types";
import { signedParts } from "./signatures";

/** How long a part is: what the API suggests. Uppy asks before the API could be asked. */
export const PART_BYTES = 10 * 1024 * 1024;
const REQUESTS_AT_ONCE = 4;
const RETRY_DELAYS_MS = [0, 1000, 3000];

/** What an upload is announced with. */
export interface Announcement extends Meta {
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

/** What becomes of a file; `id` is what `send` answered. */
export interface Heard {
  begun(id: string, begun: Begun): void;
  progressed(id: string, sentBytes: number): void;
  stored(id: string): void;
  failed(id: string, failure: Failure): void;
}

type Clip = UppyFile<Announcement, Body>;

/** Uppy with its S3 multipart plugin on the API's own endpoints. The API decides about uploads, so Uppy never ends one
 * by itself: what failed can be resumed. */
export function openSender(api: Api, heard: Heard) {
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
      heard.begun(file.id, begun);
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
  function stored(id: string) {
    uppy.removeFile(id);
    heard.stored(id);
  }
  uppy.on("upload-progress", (file, { bytesUploaded }) => {
    if (file) heard.progressed(file.id, bytesUploaded || 0);
  });
  uppy.on("upload-success", (file) => file && stored(file.id));
  uppy.on("upload-error", (file, error) => {
    if (!file || error.name === "AbortError") return;
    if (error instanceof Stored) stored(file.id);
    else heard.failed(file.id, sendingFailure(error));
  });

  return {
    /** Takes a file in and sends it; with `begun` only those parts of it that are missing. */
    send(file: File, announcement: Announcement, begun?: Begun): string {
      const id = uppy.addFile({ name: file.name, type: announcement.contentType, data: file, meta: announcement });
      if (begun) uppy.setFileState(id, resumed(begun));
      uppy.upload().catch(() => undefined); // each failure is told by upload-error
      return id;
    },
    /** Sends what is missing, after a failure. */
    sendAgain(id: string, begun?: Begun) {
      if (begun) uppy.setFileState(id, resumed(begun));
      uppy.retryUpload(id).catch(() => undefined);
    },
    setPaused(id: string, paused: boolean) {
      if (uppy.getFile(id) && (uppy.getFile(id).isPaused ?? false) !== paused) uppy.pauseResume(id);
    },
    isPaused: (id: string) => uppy.getFile(id)?.isPaused ?? false,
    forget(id: string) {
      if (uppy.getFile(id)) uppy.removeFile(id);
    },
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
  if (status === null) return asFailure(error);
  if (status === 0) return asFailure(new TypeError());
  // A signature that ran out on a slow line is made anew, as a storage that is busy is asked anew.
  if (status === 403 || status >= 500) {
    return new Failure("UNREACHABLE", `The storage answered with status ${status}.`, "It is tried again.", 503);
  }
  return new Failure("STORAGE_REFUSED", `The storage refused a part with status ${status}.`, "Try again.", status);
}
