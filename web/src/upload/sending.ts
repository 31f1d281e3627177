import { type Api, told } from "../api/client";
import { asFailure, type Failure } from "../api/failure";
import { pause as wait } from "../api/stream";
import type { Heard, Sender } from "./sender";
import type { Transfer } from "./transfer";

const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30_000;
/** Codes at which an upload is over for good, and a new one has to be begun. */
const OVER = ["UPLOAD_EXPIRED", "UPLOAD_NOT_FOUND", "UPLOAD_NOT_ACTIVE"];

/** The list of transfers, as far as sending reads and changes it. */
export interface Transfers {
  find(id: string): Transfer | undefined;
  change(id: string, changed: Partial<Transfer>): void;
}

/**
 * Sends transfers, and goes on with those that stopped: after a failure that passes by itself, and when the browser is
 * online again. `stored` is called for each that has arrived. Ends with `signal`.
 */
export function openSending(
  api: Api,
  openSender: (heard: Heard) => Sender,
  { find, change }: Transfers,
  stored: (id: string) => void,
  signal: AbortSignal,
) {
  const failures = new Map<string, number>(); // since bytes were sent last
  const sender = openSender({
    begun(id, begun) {
      const transfer = find(id);
      if (!transfer) return void giveUp(begun.uploadId); // it was cancelled while it was announced
      change(id, { begun, ...(transfer.phase === "starting" && { phase: "sending" }) });
      if (transfer.publish) void publishWhenReady(transfer, begun.videoId);
    },
    progressed(id, sentBytes, bytesPerSecond) {
      failures.delete(id);
      change(id, { sentBytes, bytesPerSecond });
    },
    stored(id) {
      const transfer = find(id);
      if (!transfer) return;
      change(id, { phase: "processing", sentBytes: transfer.file.size, bytesPerSecond: null, failure: null });
      stored(id);
    },
    failed: (id, failure) => void failed(id, failure),
  });

  async function failed(id: string, failure: Failure) {
    const transfer = find(id);
    if (!transfer || transfer.phase === "paused") return;
    if (!failure.passes && failure.code !== "REQUEST_IN_FLIGHT") {
      const into = transfer.begun?.videoId ?? transfer.into;
      return change(id, { phase: "failed", failure, ...(OVER.includes(failure.code) && { begun: null, into }) });
    }
    const before = failures.get(id) ?? 0;
    failures.set(id, before + 1);
    change(id, { phase: "waiting", failure });
    await wait(Math.min(FIRST_RETRY_MS * 2 ** before, LONGEST_RETRY_MS), signal);
    if (find(id)?.phase === "waiting" && navigator.onLine) resume(id);
  }

  /** The wish is told now, so that it outlives this page; where it is refused, the video's page offers it again. */
  async function publishWhenReady({ id, visibility }: Transfer, videoId: string) {
    const params = { path: { video_id: videoId } };
    const reply = api.POST("/v1/videos/{video_id}/publish", { params, body: { when_ready: true, visibility } });
    await told(reply).catch(() => change(id, { publish: false }));
  }

  async function giveUp(uploadId: string) {
    const reply = api.DELETE("/v1/uploads/{upload_id}", { params: { path: { upload_id: uploadId } } });
    await told(reply).catch(() => undefined); // it expires within the hour
  }

  function start(id: string) {
    const transfer = find(id);
    if (!transfer?.verdict?.fit) return;
    const { file, title, description, category, visibility, into, begun, fingerprint } = transfer;
    const { contentType } = transfer.verdict;
    const words = { title: title.trim(), description: description.trim(), category, visibility };
    const key = crypto.randomUUID();
    change(id, { phase: begun ? "sending" : "starting", failure: null });
    sender.send(file, { transfer: id, ...words, contentType, fingerprint, key, into }, begun);
  }

  function resume(id: string) {
    const transfer = find(id);
    if (!transfer) return;
    change(id, { phase: transfer.begun ? "sending" : "starting", failure: null, bytesPerSecond: null });
    sender.resume(id, transfer.begun);
  }

  function pause(id: string, changed: Partial<Transfer> = { phase: "paused" }) {
    sender.pause(id);
    change(id, { ...changed, bytesPerSecond: null });
  }

  return {
    start,
    pause: (id: string) => pause(id),
    resume,
    /** Begins again after a failure that did not pass: with what is missing, or with a new upload where it is over. */
    again(id: string) {
      if (find(id)?.begun) resume(id);
      else start(id);
    },
    /** Stops sending, and gives the upload up where one was begun. */
    async cancel({ id, begun }: Transfer): Promise<void> {
      sender.forget(id);
      if (begun) await giveUp(begun.uploadId);
    },
    /** The browser has lost the network: waits for `online`. */
    offline(id: string) {
      pause(id, { phase: "waiting", failure: asFailure(new TypeError()) });
    },
    close: () => sender.close(),
  };
}
