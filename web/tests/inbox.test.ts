import { expect, test, vi } from "vitest";
import type { Api } from "../src/api/client";
import { openInbox } from "../src/inbox/inbox";

const event = (sequence: number) =>
  `id: ${sequence}\ndata: ${JSON.stringify({ notification: { notification_id: `n${sequence}` }, sequence })}\n\n`;

/** An inbox whose stream ends after each of `streams`, and which counts `unread` up to `latest` when it is asked. */
function opened(streams: (string | null)[], counts: { unread: number; latest: number }[]) {
  const api = {
    GET: async () => {
      const { unread, latest } = counts.length > 1 ? counts.shift()! : counts[0]!;
      return { data: { unread_count: unread, latest_sequence: latest }, response: new Response("{}") };
    },
    stream: async () => {
      const text = streams.shift();
      if (text === undefined) return new Promise(() => {});
      return text === null ? null : new Response(text);
    },
  };
  const arrived = vi.fn();
  return { inbox: openInbox(api as unknown as Api, "me", arrived), arrived };
}

test("what came while the stream was away is told, and counted once", async () => {
  vi.useFakeTimers();
  const { inbox, arrived } = opened(
    [event(1), null, event(2) + event(3)],
    [
      { unread: 0, latest: 0 },
      { unread: 2, latest: 2 },
    ],
  );
  await vi.advanceTimersByTimeAsync(10_000);
  expect(arrived).toHaveBeenCalledTimes(3);
  expect(inbox.unread.value).toBe(3);
  inbox.close();
  vi.useRealTimers();
});
