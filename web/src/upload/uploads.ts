import { signal } from "@preact/signals";
import { type Api, told } from "../api/client";
import { asFailure, Failure } from "../api/failure";
import { pause as wait } from "../api/stream";
import type { Watch } from "../videos/watching";
import { fingerprint } from "./fingerprint";
import { preflight } from "./preflight";
import { rateMeter } from "./rate";
import { openSender } from "./sender";
import { chosen, type Details, isOpen, isSameFile, isUnderWay, type Transfer } from "./transfer";
import { openUnfinished, type Unfinished } from "./unfinished";

const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30_000;
/** Codes at which an upload is over for good, and a new one has to be begun. */
const OVER = ["UPLOAD_EXPIRED", "UPLOAD_NOT_FOUND", "UPLOAD_NOT_ACTIVE"];

/** Own clips on their way: chosen, looked at, sent, and followed until they are READY. */
export function openUploads(api: Api, watch: Watch, categories: string[]) {
  const transfers = signal<readonly Transfer[]>([]);
  const closing = new AbortController();
  const ofUppy = new Map<string, string>(); // Uppy's id of a file → the transfer's
  const meters = new Map<string, ReturnType<typeof rateMeter>>();
  const retries = new Map<string, number>();
  const wanted = new WeakMap<File, Unfinished>(); // files that were chosen for an unfinished upload
  const unfinished = openUnfinished(api, () => transfers.value.flatMap(({ begun }) => begun?.uploadId ?? []));

  const find = (id: string) => transfers.value.find((one) => one.id === id);
  function change(id: string, changed: Partial<Transfer>) {
    transfers.value = transfers.value.map((one) => (one.id === id ? { ...one, ...changed } : one));
  }
  const uppyId = (id: string) => [...ofUppy].find(([, transfer]) => transfer === id)?.[0] ?? "";
  const heardOf = (act: (id: string) => void) => (uppy: string) => {
    const id = ofUppy.get(uppy);
    if (id !== undefined && find(id)) act(id);
  };

  const sender = openSender(api, {
    begun(uppy, begun) {
      const id = ofUppy.get(uppy);
      const transfer = id === undefined ? undefined : find(id);
      // Cancelled while it was announced: nobody waits for it any more.
      if (!id || !transfer) return void abort(begun.uploadId);
      change(id, { begun, phase: transfer.phase === "starting" ? "sending" : transfer.phase });
      if (transfer.publish) void publishWhenReady(id, begun.videoId, transfer.visibility);
    },
    progressed(uppy, sentBytes) {
      heardOf((id) => {
        const bytesPerSecond = meters.get(id)?.note(sentBytes) ?? null;
        const phase = find(id)?.phase === "starting" ? { phase: "sending" as const } : {};
        change(id, { sentBytes, bytesPerSecond, ...phase });
        retries.delete(id);
      })(uppy);
    },
    stored: heardOf((id) => {
      ofUppy.delete(uppyId(id));
      change(id, { phase: "processing", sentBytes: find(id)!.file.size, bytesPerSecond: null, failure: null });
      void watchOn(id);
    }),
    failed(uppy, failure) {
      heardOf((id) => void failed(id, failure))(uppy);
    },
  });

  async function failed(id: string, failure: Failure) {
    const transfer = find(id);
    if (!transfer || transfer.phase === "paused") return;
    const tried = retries.get(id) ?? 0;
    const again = failure.passes || (failure.status === 409 && !OVER.includes(failure.code) && tried < 3);
    if (!again) {
      const begun = OVER.includes(failure.code) ? { begun: null, into: transfer.begun?.videoId ?? transfer.into } : {};
      return change(id, { phase: "failed", failure, bytesPerSecond: null, ...begun });
    }
    retries.set(id, tried + 1);
    change(id, { phase: "waiting", failure, bytesPerSecond: null });
    await wait(Math.min(FIRST_RETRY_MS * 2 ** tried, LONGEST_RETRY_MS), closing.signal);
    if (find(id)?.phase === "waiting" && navigator.onLine) sendAgain(id);
  }

  function sendAgain(id: string) {
    const transfer = find(id);
    if (!transfer) return;
    change(id, { phase: transfer.begun ? "sending" : "starting", failure: null });
    meters.get(id)?.restart();
    sender.setPaused(uppyId(id), false);
    sender.sendAgain(uppyId(id), transfer.begun ?? undefined);
  }

  function send(id: string) {
    const transfer = find(id);
    if (!transfer?.verdict?.fit) return;
    const { file, title, description, category, visibility, into, begun } = transfer;
    const { contentType } = transfer.verdict;
    meters.set(id, rateMeter());
    change(id, { phase: begun ? "sending" : "starting", failure: null });
    const announcement = { title: title.trim(), description: description.trim(), category, visibility, into };
    const told = { ...announcement, contentType, fingerprint: transfer.fingerprint, key: crypto.randomUUID() };
    ofUppy.set(sender.send(file, told, begun ?? undefined), id);
  }

  async function publishWhenReady(id: string, videoId: string, visibility: Details["visibility"]) {
    const path = { video_id: videoId };
    await told(
      api.POST("/v1/videos/{video_id}/publish", { params: { path }, body: { when_ready: true, visibility } }),
    ).catch(() => change(id, { publish: false })); // the video's page offers it again
  }

  async function watchOn(id: string) {
    const videoId = find(id)?.begun?.videoId;
    if (!videoId) return;
    const take = (status: Transfer["status"]) => change(id, { status, ...(status?.final && { phase: "ended" }) });
    await watch(videoId, take, closing.signal).catch((error: unknown) => change(id, { failure: asFailure(error) }));
  }

  const abort = (uploadId: string) =>
    told(api.DELETE("/v1/uploads/{upload_id}", { params: { path: { upload_id: uploadId } } })).catch(() => undefined);

  async function look(id: string) {
    const { file } = find(id)!;
    try {
      const verdict = await preflight(file);
      if (!verdict.fit) return change(id, { verdict, phase: "refused" });
      const print = await fingerprint(file);
      const before = (await unfinished.matching(print)) ?? wanted.get(file);
      change(id, { verdict, fingerprint: print, phase: "draft" });
      if (before) resumeFrom(id, before);
    } catch {
      const verdict = { fit: false as const, reason: "The file cannot be read.", advice: "Choose it again." };
      change(id, { verdict, phase: "refused" });
    }
  }

  /** The chosen file is that of an upload which was begun before: it goes on where it was. */
  function resumeFrom(id: string, upload: Unfinished) {
    const begun = { uploadId: upload.upload_id, videoId: upload.video_id };
    change(id, { begun, title: upload.title, sentBytes: upload.receivedBytes });
    unfinished.drop(upload.upload_id);
    send(id);
  }

  window.addEventListener(
    "offline",
    () => {
      for (const transfer of transfers.value) {
        if (transfer.phase !== "sending" && transfer.phase !== "starting") continue;
        sender.setPaused(uppyId(transfer.id), true);
        change(transfer.id, { phase: "waiting", failure: asFailure(new TypeError()), bytesPerSecond: null });
      }
    },
    { signal: closing.signal },
  );
  window.addEventListener(
    "online",
    () => {
      for (const { id, phase } of transfers.value) if (phase === "waiting") resume(id);
    },
    { signal: closing.signal },
  );

  function resume(id: string) {
    const transfer = find(id);
    if (!transfer) return;
    if (transfer.phase === "waiting" && !sender.isPaused(uppyId(id))) return sendAgain(id);
    change(id, { phase: transfer.begun ? "sending" : "starting", failure: null });
    meters.get(id)?.restart();
    sender.setPaused(uppyId(id), false);
  }

  return {
    transfers,
    unfinished,
    change: (id: string, details: Partial<Details>) => change(id, details),
    /** Goes on with an unfinished upload, whose file was chosen again. */
    resumeFrom(file: File, upload: Unfinished): void {
      wanted.set(file, upload);
      this.add([file]);
    },
    /** Takes chosen files in and looks at them; `base` are the details they begin with. */
    add(files: Iterable<File>, base: Partial<Transfer> = {}): void {
      const isHere = (file: File) => transfers.value.some((one) => isOpen(one) && isSameFile(one.file, file));
      const fresh = [...files]
        .filter((file) => !isHere(file))
        .map((file) => ({ ...chosen(file, categories), ...base }));
      transfers.value = [...fresh, ...transfers.value];
      for (const { id } of fresh) void look(id);
    },
    start: send,
    pause(id: string) {
      sender.setPaused(uppyId(id), true);
      change(id, { phase: "paused", bytesPerSecond: null });
    },
    resume,
    /** Tries again after a failure: what is missing, or from the start where the upload is over. */
    again(id: string) {
      retries.delete(id);
      const transfer = find(id);
      if (transfer?.begun) return sendAgain(id);
      sender.forget(uppyId(id));
      ofUppy.delete(uppyId(id));
      send(id);
    },
    /** Takes a clip off the list, and gives its upload up where it is under way. */
    async remove(id: string): Promise<void> {
      const transfer = find(id);
      if (!transfer) return;
      transfers.value = transfers.value.filter((one) => one !== transfer);
      sender.forget(uppyId(id));
      if (transfer.begun && (isUnderWay(transfer) || transfer.phase === "failed")) await abort(transfer.begun.uploadId);
    },
    close() {
      closing.abort();
      sender.close();
    },
  };
}

export type Uploads = ReturnType<typeof openUploads>;
