import { expect, test } from "vitest";
import type { Api } from "../src/api/client";
import { openTitles } from "../src/inbox/titles";

/** Titles from an API that answers when it is told to, in order. */
function opened() {
  const asked: string[] = [];
  const waiting: ((status: number) => void)[] = [];
  const GET = (_path: string, { params }: { params: { path: { video_id: string } } }) =>
    new Promise((resolve) => {
      const { video_id } = params.path;
      asked.push(video_id);
      waiting.push((status) =>
        resolve({ data: { title: `Title of ${video_id}` }, response: new Response("{}", { status }) }),
      );
    });
  async function answer(status = 200) {
    while (waiting.length === 0) await Promise.resolve();
    waiting.shift()!(status);
  }
  return { titles: openTitles({ GET } as unknown as Api), asked, answer };
}

const ready = (video_id: string) => ({ kind: "video_ready" as const, video_id });

test("titles are looked up one after another, and once each", async () => {
  const { titles, asked, answer } = opened();
  const wanted = ["v1", "v2", "v1"].map((id) => titles.of(ready(id)));
  await answer();
  expect(asked).toEqual(["v1"]);
  await answer();
  expect(await Promise.all(wanted)).toEqual(["Title of v1", "Title of v2", "Title of v1"]);
  expect(asked).toEqual(["v1", "v2"]);
});

test("a title that could not be had is empty, and asked for again", async () => {
  const { titles, answer } = opened();
  const first = titles.of(ready("v1"));
  await answer(503);
  expect(await first).toBe("");
  const second = titles.of(ready("v1"));
  await answer();
  expect(await second).toBe("Title of v1");
});

test("a notification that names its video needs none", async () => {
  const { titles, asked } = opened();
  expect(await titles.of({ kind: "video_published", video_id: "v1" })).toBe("");
  expect(await titles.of({ kind: "webhook_disabled", video_id: "" })).toBe("");
  expect(asked).toEqual([]);
});
