import { expect, test } from "vitest";
import { readHead } from "../src/upload/boxes";
import { judge, preflight, titleFrom } from "../src/upload/preflight";
import { fingerprint, isOurs } from "../src/upload/fingerprint";
import { movie } from "./movie";

const file = (blob: Blob, name = "clip.mp4", type = "video/mp4") => new File([blob], name, { type });

test("the head of a movie tells its codec, frame and duration", async () => {
  expect(await readHead(movie())).toEqual({
    quickTime: false,
    codec: "avc1",
    durationMs: 10_000,
    width: 1920,
    height: 1080,
  });
  expect(await readHead(movie({ wide: true, codec: "hvc1" }))).toMatchObject({ codec: "hvc1", durationMs: 10_000 });
});

test("a head behind the data is found without reading what lies between", async () => {
  const blob = movie({ dataFirst: 3_000_000 });
  let read = 0;
  const counted = {
    size: blob.size,
    slice: (from: number, to: number) => {
      const part = blob.slice(from, to);
      read += part.size;
      return part;
    },
  } as Blob;
  expect(await readHead(counted)).toMatchObject({ codec: "avc1" });
  expect(read).toBeLessThan(2000);
});

test("the duration is what edit lists show, without the delay before it", async () => {
  expect(await readHead(movie({ seconds: 42, shown: 29.5, delay: 2 }))).toMatchObject({ durationMs: 29_500 });
  expect(await readHead(movie({ seconds: 42, shown: 29.5, delay: 2, wide: true }))).toMatchObject({
    durationMs: 29_500,
  });
});

test("a fragmented file has no duration in its head, and is left to the platform", async () => {
  const head = await readHead(movie({ seconds: 0 }));
  expect(head).not.toHaveProperty("durationMs");
  expect(judge(head, { size: 10, type: "video/mp4" })).toMatchObject({ fit: true, durationMs: null });
});

test("a file that was cut off before its head is refused", async () => {
  const whole = movie({ dataFirst: 3_000_000 });
  expect(await preflight(file(whole.slice(0, 2_000_000)))).toMatchObject({
    fit: false,
    reason: "Part of the file is missing: nothing can play it.",
  });
  expect(await preflight(file(whole))).toMatchObject({ fit: true });
});

test("a QuickTime movie is announced as one, whatever it is called", async () => {
  expect(await preflight(file(movie({ brand: "qt  " })))).toMatchObject({ fit: true, contentType: "video/quicktime" });
  expect(await preflight(file(movie({ brand: "" })))).toMatchObject({ fit: true, contentType: "video/quicktime" });
  expect(await preflight(file(movie(), "clip.mov", "video/quicktime"))).toMatchObject({ contentType: "video/mp4" });
});

test("a clip that is too long is refused with its length and what to cut", async () => {
  const verdict = await preflight(file(movie({ seconds: 42.34 })));
  expect(verdict).toEqual({
    fit: false,
    reason: "42.3 s long, but a clip has at most 30 s.",
    advice: "Trim 12.3 s and choose it again.",
  });
  expect(await preflight(file(movie({ seconds: 30 })))).toMatchObject({ fit: true });
});

test("a codec that is not played is refused by its name", async () => {
  expect(await preflight(file(movie({ codec: "vp09" })))).toMatchObject({
    fit: false,
    reason: "The video is VP9; it needs to be H.264 or H.265.",
  });
  expect(await preflight(file(movie({ codec: "xyzw" })))).toMatchObject({
    fit: false,
    reason: expect.stringContaining("xyzw"),
  });
});

test("a frame that is too large is refused", async () => {
  expect(await preflight(file(movie({ size: [7680, 4320] })))).toMatchObject({
    fit: false,
    reason: expect.stringContaining("7680×4320"),
  });
});

test.each([
  ["a text", new Blob(["once upon a time, there was no video"]), "text/plain", "no MP4 or MOV video (text/plain)"],
  ["a few bytes", new Blob(["abc"]), "", "no MP4 or MOV video"],
  ["an empty file", new Blob([]), "video/mp4", "empty"],
])("%s is refused", async (_name, blob, type, reason) => {
  const verdict = await preflight(file(blob, "x", type));
  expect(verdict).toMatchObject({ fit: false, reason: expect.stringContaining(reason) });
});

test("a file over 150 MB is refused before it is read", async () => {
  const huge = { size: 200_000_000, type: "video/mp4", slice: () => expect.fail("it was read") } as unknown as File;
  expect(await preflight(huge)).toMatchObject({
    fit: false,
    reason: "200 MB, but a clip has at most 157 MB (150 MiB).",
  });
});

test("cut anywhere, a head is refused or left to the platform, and never breaks the page", async () => {
  const whole = await movie({ shown: 9, delay: 1 }).arrayBuffer();
  for (let length = 1; length < whole.byteLength; length++) {
    await expect(readHead(new Blob([whole.slice(0, length)])), `${length} bytes`).resolves.toBeDefined();
  }
});

test("a first title comes from the file's name", () => {
  expect(titleFrom("IMG_0042__goal.mov")).toBe("IMG 0042 goal");
  expect(titleFrom(".mp4")).toBe("A clip");
  expect([...new Intl.Segmenter("en").segment(titleFrom("👨‍👩‍👧‍👦".repeat(100)))]).toHaveLength(80);
});

test("a fingerprint names the contents and not the name", async () => {
  const print = await fingerprint(file(movie(), "a.mp4"));
  expect(await fingerprint(file(movie(), "b.mov"))).toBe(print);
  expect(await fingerprint(file(movie({ seconds: 11 })))).not.toBe(print);
  expect(isOurs(print)).toBe(true);
  expect(isOurs("clip.mp4:12:34")).toBe(false);
  expect(print.length).toBeLessThanOrEqual(200);
});
