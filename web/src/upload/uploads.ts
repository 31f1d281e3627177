import { signal } from "@preact/signals";
import type { Api } from "../api/client";
import { asFailure } from "../api/failure";
import type { VideoStatus } from "../api/types";
import type { Watch } from "../videos/watching";
import { fingerprint } from "./fingerprint";
import type { Left } from "./giving-up";
import { preflight } from "./preflight";
import { openSender } from "./sender";
import { openSending } from "./sending";
import { chosen, type Details, isOpen, isSameFile, isUnderWay, type Transfer } from "./transfer";
import { openUnfinished, type Unfinished } from "./unfinished";

/** Own clips on their way: chosen, looked at, sent, and followed until they are READY. */
export function openUploads(api: Api, watch: Watch, categories: string[]) {
  const transfers = signal<readonly Transfer[]>([]);
  const wanted = new WeakMap<File, Unfinished>(); // files that were chosen for an unfinished upload
  const unfinished = openUnfinished(api, () => transfers.value.flatMap(({ begun }) => begun?.uploadId ?? []));
  const closing = new AbortController();
  const sending = openSending(
    api,
    (heard) => openSender(api, heard),
    { find, change },
    (id) => void follow(id),
    closing.signal,
  );

  function find(id: string): Transfer | undefined {
    return transfers.value.find((one) => one.id === id);
  }

  function change(id: string, changed: Partial<Transfer>) {
    transfers.value = transfers.value.map((one) => (one.id === id ? { ...one, ...changed } : one));
  }

  async function follow(id: string) {
    const videoId = find(id)?.begun?.videoId;
    const take = (status: VideoStatus) => change(id, { status, ...(status.final && { phase: "ended" }) });
    if (!videoId) return;
    await watch(videoId, take, closing.signal).catch((error: unknown) => change(id, { failure: asFailure(error) }));
  }

  /** Looks at a chosen file, and goes on with its upload where that was begun before. */
  async function look({ id, file }: Transfer) {
    try {
      const verdict = await preflight(file);
      if (!verdict.fit) return change(id, { verdict, phase: "refused" });
      const print = await fingerprint(file);
      const before = (await unfinished.matching(print)) ?? wanted.get(file);
      change(id, { verdict, fingerprint: print, phase: "draft" });
      if (!before || !find(id)) return;
      const begun = { uploadId: before.upload_id, videoId: before.video_id };
      const made = before.isFirst ? before.video_id : "";
      change(id, { begun, made, title: before.title, sentBytes: before.receivedBytes });
      unfinished.drop(before.upload_id);
      sending.start(id);
    } catch {
      const verdict = { fit: false as const, reason: "The file cannot be read.", advice: "Choose it again." };
      change(id, { verdict, phase: "refused" });
    }
  }

  function add(files: Iterable<File>, base: Partial<Transfer> = {}) {
    const isHere = (file: File) => transfers.value.some((one) => isOpen(one) && isSameFile(one.file, file));
    const fresh = [...files].filter((file) => !isHere(file)).map((file) => ({ ...chosen(file, categories), ...base }));
    transfers.value = [...fresh, ...transfers.value];
    for (const transfer of fresh) void look(transfer);
  }

  /** Takes a clip off the list, and gives its upload up where it is under way; what is then left of its video. */
  async function remove(id: string): Promise<Left | undefined> {
    const transfer = find(id);
    transfers.value = transfers.value.filter((one) => one !== transfer);
    return transfer && (isUnderWay(transfer) || transfer.phase === "failed") ? sending.cancel(transfer) : undefined;
  }

  function onNetwork(event: "online" | "offline", act: (transfer: Transfer) => void) {
    window.addEventListener(event, () => transfers.value.forEach(act), { signal: closing.signal });
  }
  onNetwork("offline", ({ id, phase }) => (phase === "sending" || phase === "starting") && sending.offline(id));
  onNetwork("online", ({ id, phase }) => phase === "waiting" && sending.resume(id));

  return {
    transfers,
    unfinished,
    /** Takes chosen files in and looks at them; `base` are the details that they begin with. */
    add,
    /** Goes on with an unfinished upload, whose file was chosen again. */
    resumeFrom(file: File, upload: Unfinished) {
      wanted.set(file, upload);
      add([file]);
    },
    change: (id: string, details: Partial<Details>) => change(id, details),
    start: sending.start,
    pause: sending.pause,
    resume: sending.resume,
    again: sending.again,
    remove,
    /** Begins anew with a file that was chosen in the place of one, with what its owner wrote. */
    async replace(id: string, file: File): Promise<void> {
      const transfer = find(id);
      if (!transfer) return;
      const { title, description, category, visibility, publish, made } = transfer;
      const into = made ? "" : transfer.into;
      await remove(id);
      add([file], { title, description, category, visibility, publish, into });
    },
    close() {
      closing.abort();
      sending.close();
    },
  };
}

export type Uploads = ReturnType<typeof openUploads>;
