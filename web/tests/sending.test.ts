import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Api } from "../src/api/client";
import { Failure } from "../src/api/failure";
import type { Heard } from "../src/upload/sender";
import { FILE_CHANGED, openSending } from "../src/upload/sending";
import { chosen, type Transfer } from "../src/upload/transfer";

const BEGUN = { uploadId: "u1", videoId: "v1" };
const AWAY = new Failure("UNREACHABLE", "The platform cannot be reached.", "Check the connection.");

/** A transfer with what sends it, where Uppy and the API only note what they are told. Whatever the API is asked for is
 * in one status; `refused` are codes by what is refused with them. */
function sent(more: Partial<Transfer> = {}, status = "DRAFT", refused: Record<string, string> = {}) {
  const calls: string[] = [];
  let heard: Heard | undefined;
  let transfer: Transfer | undefined = {
    ...chosen(new File(["abc"], "clip.mp4"), ["sports"]),
    ...{ id: "t1", phase: "draft", publish: false },
    ...{ verdict: { fit: true, contentType: "video/mp4", durationMs: 1, note: "" } },
    ...more,
  };
  const noted = (verb: string) => async (path: string) => {
    calls.push(`${verb} ${path}`);
    const code = refused[`${verb} ${path}`];
    return code
      ? { error: { code }, response: new Response("{}", { status: 409 }) }
      : { data: { status }, response: new Response("{}") };
  };
  const sending = openSending(
    { GET: noted("GET"), POST: noted("POST"), DELETE: noted("DELETE") } as unknown as Api,
    (ears) => {
      heard = ears;
      return {
        send: (_file, { into }, begun) => calls.push(`send into ${into || "new"} of ${begun?.uploadId ?? "new"}`),
        resume: (_id, begun) => calls.push(`resume ${begun?.uploadId ?? "new"}`),
        pause: () => calls.push("pause"),
        forget: () => calls.push("forget"),
        close: () => calls.push("close"),
      };
    },
    {
      find: () => transfer,
      change: (_id, changed) => transfer && (transfer = { ...transfer, ...changed }),
    },
    () => calls.push("stored"),
    new AbortController().signal,
  );
  return { sending, calls, heard: heard!, now: () => transfer!, lose: () => (transfer = undefined) };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("navigator", { onLine: true });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a transfer is announced, sent and stored", () => {
  const { sending, heard, calls, now } = sent();
  sending.start("t1");
  expect(now().phase).toBe("starting");
  heard.begun("t1", BEGUN);
  heard.progressed("t1", 2, 7);
  expect(now()).toMatchObject({ phase: "sending", begun: BEGUN, sentBytes: 2, bytesPerSecond: 7 });
  heard.stored("t1");
  expect(now()).toMatchObject({ phase: "processing", sentBytes: 3 });
  expect(calls).toEqual(["send into new of new", "stored"]);
});

test("the wish to publish is told when the upload has begun", () => {
  const { sending, heard, calls } = sent({ publish: true });
  sending.start("t1");
  heard.begun("t1", BEGUN);
  expect(calls).toContain("POST /v1/videos/{video_id}/publish");
});

test("what stopped by a failure that passes goes on by itself, later each time until bytes are sent", async () => {
  const { sending, heard, calls, now } = sent();
  sending.start("t1");
  heard.begun("t1", BEGUN);
  heard.failed("t1", AWAY);
  expect(now()).toMatchObject({ phase: "waiting", failure: AWAY });
  await vi.advanceTimersByTimeAsync(2000);
  expect(now()).toMatchObject({ phase: "sending", failure: null });
  heard.failed("t1", AWAY);
  await vi.advanceTimersByTimeAsync(3900);
  expect(now().phase).toBe("waiting");
  await vi.advanceTimersByTimeAsync(100);
  heard.progressed("t1", 1, null);
  heard.failed("t1", AWAY);
  await vi.advanceTimersByTimeAsync(2000);
  expect(calls.filter((call) => call === "resume u1")).toHaveLength(3);
});

test("offline, it waits for the network and not for a time", async () => {
  vi.stubGlobal("navigator", { onLine: false });
  const { sending, heard, calls, now } = sent({ begun: BEGUN });
  sending.start("t1");
  sending.offline("t1");
  heard.failed("t1", AWAY);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(now().phase).toBe("waiting");
  sending.resume("t1");
  expect(calls).toEqual(["send into new of u1", "pause", "resume u1"]);
});

test("a failure that does not pass is told, and tried again from where it was", () => {
  const { sending, heard, calls, now } = sent();
  sending.start("t1");
  heard.begun("t1", BEGUN);
  const refused = new Failure("STORAGE_REFUSED", "The storage refused a part with status 400.", "Try again.", 400);
  heard.failed("t1", refused);
  expect(now()).toMatchObject({ phase: "failed", failure: refused, begun: BEGUN });
  sending.again("t1");
  expect(calls.at(-1)).toBe("resume u1");
});

test("an upload that has expired is begun anew, into the same video", () => {
  const { sending, heard, calls, now } = sent();
  sending.start("t1");
  heard.begun("t1", BEGUN);
  heard.failed("t1", new Failure("UPLOAD_EXPIRED", "It expired.", "Start another.", 410));
  expect(now()).toMatchObject({ phase: "failed", begun: null, into: "v1" });
  sending.again("t1");
  expect(calls.at(-1)).toBe("send into v1 of new");
});

test("what is paused stays so, whatever fails meanwhile", async () => {
  const { sending, heard, calls, now } = sent({ begun: BEGUN });
  sending.start("t1");
  sending.pause("t1");
  heard.failed("t1", AWAY);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(now().phase).toBe("paused");
  sending.resume("t1");
  expect(calls).toEqual(["send into new of u1", "pause", "resume u1"]);
});

test("a file that was changed is told as that, and not tried again", async () => {
  const { sending, heard, calls, now } = sent();
  sending.start("t1");
  heard.begun("t1", BEGUN);
  const reading = vi.spyOn(Blob.prototype, "arrayBuffer").mockRejectedValue(new DOMException("", "NotReadableError"));
  heard.failed("t1", AWAY);
  await vi.advanceTimersByTimeAsync(60_000);
  reading.mockRestore();
  expect(now()).toMatchObject({ phase: "failed", failure: { code: FILE_CHANGED } });
  expect(calls).not.toContain("resume u1");
});

const ABORTED = "DELETE /v1/uploads/{upload_id}";
const ABORTED_AND_DELETED = [ABORTED, "GET /v1/videos/{video_id}/status", "DELETE /v1/videos/{video_id}"];

test("a new upload that is cancelled leaves no draft, also while it is announced", async () => {
  const known = sent();
  known.sending.start("t1");
  known.heard.begun("t1", BEGUN);
  expect(await known.sending.cancel(known.now())).toBe("nothing");
  expect(known.calls.slice(1)).toEqual(["forget", ...ABORTED_AND_DELETED]);
  const announced = sent();
  announced.sending.start("t1");
  await announced.sending.cancel(announced.now());
  announced.lose();
  announced.heard.begun("t1", BEGUN);
  await vi.advanceTimersByTimeAsync(0);
  expect(announced.calls.slice(1)).toEqual(["forget", ...ABORTED_AND_DELETED]);
});

test("a draft whose upload has expired goes too when it is cancelled", async () => {
  const { sending, heard, calls, now } = sent();
  sending.start("t1");
  heard.begun("t1", BEGUN);
  heard.failed("t1", new Failure("UPLOAD_EXPIRED", "It expired.", "Start another.", 410));
  expect(await sending.cancel(now())).toBe("nothing");
  expect(calls.slice(1)).toEqual(["forget", ...ABORTED_AND_DELETED.slice(1)]);
});

test("a video that was there before stays when its upload is cancelled", async () => {
  const { sending, heard, calls, now } = sent({ into: "v1" });
  sending.start("t1");
  heard.begun("t1", BEGUN);
  expect(await sending.cancel(now())).toBe("draft");
  expect(calls.slice(1)).toEqual(["forget", ABORTED]);
});

test("an upload that had arrived is told as that, and its video stays, though the catalog may not know yet", async () => {
  const { sending, heard, calls, now } = sent({}, "UPLOADING", { [ABORTED]: "UPLOAD_NOT_ACTIVE" });
  sending.start("t1");
  heard.begun("t1", BEGUN);
  expect(await sending.cancel(now())).toBe("all");
  expect(calls.slice(1)).toEqual(["forget", ABORTED]);
});

test("a video that has got a file by another upload stays", async () => {
  const { sending, heard, calls, now } = sent({}, "PROCESSING");
  sending.start("t1");
  heard.begun("t1", BEGUN);
  expect(await sending.cancel(now())).toBe("all");
  expect(calls).not.toContain("DELETE /v1/videos/{video_id}");
});

const NOT_ACTIVE = new Failure("UPLOAD_NOT_ACTIVE", "It is over.", "Read it.", 409);

test("an upload that another tab has completed has arrived", async () => {
  const { sending, heard, calls, now } = sent({}, "COMPLETED");
  sending.start("t1");
  heard.begun("t1", BEGUN);
  heard.failed("t1", NOT_ACTIVE);
  await vi.advanceTimersByTimeAsync(0);
  expect(now()).toMatchObject({ phase: "processing", failure: null });
  expect(calls.slice(1)).toEqual(["GET /v1/uploads/{upload_id}", "forget", "stored"]);
});

test("an upload that was discarded elsewhere with its draft begins anew", async () => {
  const { sending, heard, calls, now } = sent({}, "ABORTED");
  sending.start("t1");
  heard.begun("t1", BEGUN);
  heard.failed("t1", NOT_ACTIVE);
  await vi.advanceTimersByTimeAsync(0);
  expect(now().phase).toBe("failed");
  sending.again("t1");
  heard.failed("t1", new Failure("VIDEO_NOT_FOUND", "There is none.", "Check the id.", 404));
  await vi.advanceTimersByTimeAsync(0);
  expect(calls.filter((call) => call.startsWith("send"))).toEqual([
    "send into new of new",
    "send into v1 of new",
    "send into new of new",
  ]);
});
