import { signal } from "@preact/signals";
import { type Api, told } from "../api/client";
import { asFailure, type Failure } from "../api/failure";
import type { UploadSummary } from "../api/types";
import { giveUp, type Left } from "./giving-up";

/** An upload that was begun, in this tab or elsewhere, and whose file this page does not have. */
export interface Unfinished extends UploadSummary {
  title: string;
  /** The upload is the first one of its video, so that nothing is lost with it. */
  isFirst: boolean;
  receivedBytes: number;
}

const LISTED = 20;

/** Own uploads under way that no clip of this page belongs to; `mine` are the ids of those that do. */
export function openUnfinished(api: Api, mine: () => string[]) {
  const list = signal<readonly Unfinished[]>([]);
  const failure = signal<Failure | null>(null);
  let loaded: Promise<void> | undefined;

  async function describe(upload: UploadSummary): Promise<Unfinished> {
    const [{ parts_received }, { title, generation }] = await Promise.all([
      told(api.GET("/v1/uploads/{upload_id}", { params: { path: { upload_id: upload.upload_id } } })),
      told(api.GET("/v1/videos/{video_id}", { params: { path: { video_id: upload.video_id } } })),
    ]);
    const receivedBytes = parts_received.reduce((sum, part) => sum + part.size_bytes, 0);
    return { ...upload, title, isFirst: generation === 1, receivedBytes };
  }

  async function load() {
    try {
      const { uploads } = await told(api.GET("/v1/uploads", { params: { query: { page_size: LISTED } } }));
      const open = uploads.filter(({ status }) => status === "INITIATED" || status === "IN_PROGRESS");
      const described = await Promise.all(open.map((upload) => describe(upload).catch(() => null)));
      list.value = described.filter((one) => one !== null).filter(({ upload_id }) => !mine().includes(upload_id));
      failure.value = null;
    } catch (error) {
      failure.value = asFailure(error);
    }
  }

  function drop(uploadId: string) {
    list.value = list.value.filter(({ upload_id }) => upload_id !== uploadId);
  }

  return {
    list,
    failure,
    load: () => (loaded = load()),
    /** The unfinished upload of a file with this fingerprint, once the list is there. */
    async matching(print: string): Promise<Unfinished | undefined> {
      await (loaded ??= load());
      return list.value.find(({ fingerprint }) => fingerprint === print);
    },
    drop,
    /** Gives an upload up, with the draft that was made for it; what is left. Throws `Failure`. */
    async discard({ upload_id, video_id, isFirst }: Unfinished): Promise<Left> {
      const left = await giveUp(api, { begun: { uploadId: upload_id }, made: isFirst ? video_id : "" });
      drop(upload_id);
      return left;
    },
  };
}
