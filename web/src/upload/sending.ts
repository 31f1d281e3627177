import { type Api, told } from "../api/client";
import { asFailure, Failure } from "../api/failure";
import { pause as wait } from "../api/stream";
import { giveUp, type GivenUp, hasArrived, type Left, OVER } from "./giving-up";
import type { Heard, Sender } from "./sender";
import type { Transfer } from "./transfer";

const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30_000;
/** The code of a file that was changed or deleted after it was chosen: no browser reads it any more. */
export const FILE_CHANGED = "FILE_CHANGED";

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
  const announced = new Map<string, Transfer>(); // as they were then, until the API has answered
  const sender = openSender({
    begun(id, begun) {
      const transfer = find(id);
      const made = announced.get(id)?.into ? {} : { made: begun.videoId };
      announced.delete(id);
      if (!transfer) return void drop({ begun, made: "", ...made }); // it was cancelled while it was announced
      change(id, { begun, ...made, ...(transfer.phase === "starting" && { phase: "sending" }) });
      if (transfer.publish) void publishWhenReady(transfer, begun.videoId);
    },
    progressed(id, sentBytes, bytesPerSecond) {
      failures.delete(id);
      change(id, { sentBytes, bytesPerSecond });
    },
    stored: arrived,
    failed: (id, failure) => void failed(id, failure),
  });

  function arrived(id: string) {
    const transfer = find(id);
    if (!transfer) return;
    change(id, { phase: "processing", sentBytes: transfer.file.size, bytesPerSecond: null, failure: null });
    stored(id);
  }

  async function failed(id: string, failure: Failure) {
    const transfer = find(id);
    if (!transfer || transfer.phase === "paused") return;
    const { begun } = transfer;
    if (begun && failure.code === "UPLOAD_NOT_ACTIVE" && (await hasArrived(api, begun).catch(() => false))) {
      sender.forget(id); // another tab has sent the rest
      return arrived(id);
    }
    if (failure.code === "VIDEO_NOT_FOUND" && transfer.made && !begun) {
      // The draft was removed elsewhere with the upload that it was made for.
      change(id, { into: "", made: "" });
      return start(id);
    }
    const goesOn = failure.passes || failure.code === "REQUEST_IN_FLIGHT";
    if (goesOn) change(id, { phase: "waiting", failure });
    else if (OVER.includes(failure.code)) {
      change(id, { phase: "failed", failure, begun: null, into: begun?.videoId ?? transfer.into });
    } else change(id, { phase: "failed", failure });
    if (failure.status === 0 && !(await isReadable(transfer.file))) {
      return change(id, { phase: "failed", failure: changed(transfer.file) });
    }
    if (!goesOn) return;
    const before = failures.get(id) ?? 0;
    failures.set(id, before + 1);
    await wait(Math.min(FIRST_RETRY_MS * 2 ** before, LONGEST_RETRY_MS), signal);
    if (find(id)?.phase === "waiting" && navigator.onLine) resume(id);
  }

  /** The wish is told now, so that it outlives this page; where it is refused, the video's page offers it again. */
  async function publishWhenReady({ id, visibility }: Transfer, videoId: string) {
    const params = { path: { video_id: videoId } };
    const reply = api.POST("/v1/videos/{video_id}/publish", { params, body: { when_ready: true, visibility } });
    await told(reply).catch(() => change(id, { publish: false }));
  }

  /** What is left. What cannot be given up, for want of a network, ends by itself. */
  function drop(given: GivenUp): Promise<Left> {
    return giveUp(api, given).catch(() => "draft");
  }

  function start(id: string) {
    const transfer = find(id);
    if (!transfer?.verdict?.fit) return;
    const { file, title, description, category, visibility, into, begun, fingerprint } = transfer;
    const { contentType } = transfer.verdict;
    const words = { title: title.trim(), description: description.trim(), category, visibility };
    const key = crypto.randomUUID();
    if (!begun) announced.set(id, transfer);
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
    /** Stops sending, and gives the upload up where one was begun; what is left of its video. */
    async cancel(transfer: Transfer): Promise<Left> {
      sender.forget(transfer.id);
      return drop(transfer);
    },
    /** The browser has lost the network: waits for `online`. */
    offline(id: string) {
      pause(id, { phase: "waiting", failure: asFailure(new TypeError()) });
    },
    close: () => sender.close(),
  };
}

/** Whether a file is still the one that was chosen: browsers refuse to read another. */
async function isReadable(file: File): Promise<boolean> {
  return file
    .slice(0, 1)
    .arrayBuffer()
    .then(
      () => true,
      () => false,
    );
}

function changed(file: File): Failure {
  return new Failure(
    FILE_CHANGED,
    `${file.name} was changed or deleted on this device after it was chosen.`,
    "Choose it again: the upload then begins anew, and what you wrote stays.",
  );
}
