import { describe, expect, test } from "vitest";
import type { Status, TimelineEntry } from "../src/api/types";
import { asFailure, Failure, failureOf } from "../src/api/failure";
import { ago, bytes, characters, clock, remaining, span } from "../src/format";
import { hrefOf, parseRoute, type Route } from "../src/route";
import { claimsOf } from "../src/token";
import { wrongWith } from "../src/upload/details";
import { rateMeter } from "../src/upload/rate";
import { FILTERS, isMoving, STATES, stepsOf } from "../src/videos/states";
import { chapterOf } from "../src/videos/story";

test("sizes, lengths and times are told as a person would", () => {
  expect([0, 999, 1500, 23_007_027, 157_286_400].map(bytes)).toEqual(["0 B", "999 B", "1.5 kB", "23.0 MB", "157 MB"]);
  expect([0, 9_600, 61_000].map(clock)).toEqual(["0:00", "0:10", "1:01"]);
  expect([89, 42_340, 125_000, 7_300_000].map(span)).toEqual(["89 ms", "42.3 s", "2 min 5 s", "2 h 1 min"]);
  expect([2, 41, 61, Infinity].map(remaining)).toEqual([
    "a few seconds left",
    "about 45 s left",
    "about 2 min left",
    "",
  ]);
  const now = Date.parse("2026-11-23T12:00:00Z");
  expect(ago("2026-11-23T11:59:40Z", now)).toBe("just now");
  expect(ago("2026-11-23T11:56:00Z", now)).toBe("4 minutes ago");
  expect(ago("2026-11-22T11:00:00Z", now)).toBe("yesterday");
});

test("characters are counted as a person counts them", () => {
  expect(characters("  👨‍👩‍👧‍👦é ")).toBe(2);
  expect(wrongWith({ title: " ", description: "" })).toBe("A clip needs a title.");
  expect(wrongWith({ title: "x".repeat(81), description: "" })).toBe("The title has 81 characters; at most 80.");
  expect(wrongWith({ title: "👨‍👩‍👧‍👦".repeat(80), description: "" })).toBe("");
});

describe("routes", () => {
  const routes: Route[] = [
    { page: "upload" },
    { page: "videos", status: "", category: "" },
    { page: "videos", status: "READY", category: "music" },
    { page: "video", id: "01890a5d-ac96-774b-bcce-b302099a8057" },
    { page: "person", id: "e4bd1669-7687-549c-8b77-ffffa6e892f9" },
    { page: "following" },
    { page: "discover", category: "news" },
    { page: "inbox" },
    { page: "settings" },
  ];
  test.each(routes)("$page comes back from its address", (route) => expect(parseRoute(hrefOf(route))).toEqual(route));
  test("an empty address is the first page, an unknown one is missing", () => {
    expect(parseRoute("")).toEqual({ page: "upload" });
    expect(parseRoute("#/nowhere").page).toBe("missing");
    expect(parseRoute("#/inbox/1").page).toBe("missing");
    expect(parseRoute("#/videos/1/2").page).toBe("missing");
  });
  test.each(["#/videos/abc", "#/people/%00", "#/videos/..%2Ffeed"])("%s names nothing, and is not asked for", (cut) => {
    expect(parseRoute(cut).page).toBe("missing");
  });
});

describe("states", () => {
  const all = Object.keys(STATES) as Status[];
  test("each can be filtered by, but deleted ones are gone", () => {
    expect([...FILTERS, "DELETED"].sort()).toEqual([...all].sort());
  });
  test("those that move are on their way", () => {
    expect(all.filter(isMoving)).toEqual(["UPLOADING", "UPLOADED", "PROCESSING"]);
  });
  test("steps before the present one are done, and what went wrong is marked", () => {
    const states = (status: Status) => stepsOf(status).map(({ state }) => state);
    expect(states("PROCESSING")).toEqual(["done", "done", "now", "ahead", "ahead"]);
    expect(states("READY")).toEqual(["done", "done", "done", "done", "ahead"]);
    expect(states("PUBLISHED")).toEqual(Array(5).fill("done"));
    expect(states("DRAFT")).toEqual(Array(5).fill("ahead"));
    expect(states("REJECTED_TOO_LONG")).toEqual(["done", "done", "wrong", "ahead", "ahead"]);
  });
});

describe("the story of a video", () => {
  const entry = (
    event: string,
    facts: Record<string, string> = {},
    more: Partial<TimelineEntry> = {},
  ): TimelineEntry => ({
    ...{ event, time: "2026-11-23T02:40:34Z", generation: 1, since_previous_ms: 0, trace_id: "", ignored: "" },
    facts: Object.entries(facts).map(([name, value]) => ({ name, value })),
    ...more,
  });
  test("tells what was sent, measured and made", () => {
    expect(
      chapterOf(entry("UploadCompleted", { size_bytes: "20000000", tier: "free" }, { since_previous_ms: 4000 })).text,
    ).toBe("20.0 MB stored, 5.0 MB/s.");
    const measured = {
      duration_ms: "10000",
      width: "1920",
      height: "1080",
      fps: "30.0",
      video_codec: "h264",
      run_id: "x",
    };
    expect(chapterOf(entry("TranscodeStarted", measured, { attempt: 2 })).text).toBe(
      "Attempt 2. Measured: 10.0 s, 1920×1080, 30 frames a second, h264.",
    );
    const made = { run_ms: "6063", "MP4_720 size_bytes": "3135011", "HLS size_bytes": "1" };
    expect(chapterOf(entry("TranscodeCompleted", made)).text).toBe("Processed in 6.1 s. Made: 720p 3.1 MB.");
  });
  test("tells the reason and what it does not know, and why something changed nothing", () => {
    expect(chapterOf(entry("VideoRejected", { message: "It is 42 s long.", code: "DURATION_TOO_LONG" })).text).toBe(
      "It is 42 s long.",
    );
    expect(chapterOf(entry("SomethingNew", { odd_fact: "7" }))).toEqual({
      title: "SomethingNew",
      text: "Odd fact: 7.",
      tone: "calm",
    });
    expect(chapterOf(entry("UploadStarted", {}, { ignored: "repeat" })).text).toBe("It was known already.");
  });
  test("a wish to publish is no publication yet", () => {
    expect(chapterOf(entry("PublishVideo", { when_ready: "true", visibility: "public" })).title).toBe(
      "To be published when ready",
    );
  });
});

describe("failures", () => {
  test("a problem is told in its own words", () => {
    const failure = failureOf(429, { code: "RATE_LIMITED", detail: "10 uploads an hour.", next_action: "Wait." });
    expect([failure.message, failure.nextAction, failure.passes]).toEqual(["10 uploads an hour.", "Wait.", false]);
  });
  test("an answer of something in between is told too", () => {
    expect(failureOf(502, "<html>")).toMatchObject({
      code: "UNEXPECTED",
      passes: true,
      nextAction: "Try again in a moment.",
    });
  });
  test("when to try again is not told in words for programs", () => {
    const problem = { detail: "Away.", next_action: "Send the same request again after Retry-After." };
    expect(failureOf(503, problem, "2")).toMatchObject({ message: "Away.", nextAction: "Try again in a moment." });
  });
  test("no answer passes, and a failure stays what it is", () => {
    expect(asFailure(new TypeError("fetch")).passes).toBe(true);
    expect(asFailure(new DOMException("", "TimeoutError")).code).toBe("TIMEOUT");
    const failure = new Failure("X", "y", "z");
    expect(asFailure(failure)).toBe(failure);
  });
});

test("a token tells its user, and what is none tells nobody", () => {
  const body = btoa(JSON.stringify({ sub: "u-1", tier: "paid", exp: 1_795_444_778 })).replaceAll("=", "");
  expect(claimsOf(`h.${body}.s`)).toEqual({ userId: "u-1", tier: "paid", expiresAt: 1_795_444_778_000 });
  expect(claimsOf("nonsense").userId).toBe("");
  expect(claimsOf("").expiresAt).toBe(0);
});

test("the rate is that of the last seconds, and begins anew when bytes are taken back", () => {
  let now = 0;
  const meter = rateMeter(() => now);
  expect(meter.note(0)).toBeNull();
  now = 1000;
  expect(meter.note(2_000_000)).toBe(2_000_000);
  now = 20_000;
  meter.note(2_000_000);
  now = 21_000;
  expect(meter.note(3_000_000)).toBe(1_000_000);
  now = 21_100;
  expect(meter.note(500)).toBeNull();
});
