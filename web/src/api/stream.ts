import { EventSourceParserStream } from "eventsource-parser/stream";
import { asFailure, failureOf } from "./failure";

/** A stream of server-sent events to follow until it is over. */
export interface Followed {
  /** Opens it, after the event with this id where one was seen, until the signal is aborted; null where there is no
   * room for it now. EventSource cannot: it sends no Authorization. */
  open(lastEventId: string | null, signal: AbortSignal): Promise<Response | null>;
  /** Takes an event's data; true where nothing more is wanted. */
  take(data: string): boolean | void;
  /** Asks once, instead, while the stream does not come; true where nothing more is wanted. */
  poll(): Promise<boolean | void>;
  signal: AbortSignal;
}

/** How long to wait. */
export interface Patience {
  firstMs: number;
  longestMs: number;
  /** Heartbeats come every 15 s: a connection that is silent for this long is dead, or buffered on its way. */
  silenceMs: number;
  /** How long after a poll to look again whether there is room for the stream. */
  roomMs: number;
}

const PATIENCE: Patience = { firstMs: 1000, longestMs: 15_000, silenceMs: 40_000, roomMs: 2500 };

/**
 * Follows a stream: resumes it after the last event that was seen, and polls for as long as it does not come.
 *
 * Returns when the stream is over (204, or `take` or `poll` say so) or `signal` is aborted. Throws `Failure` where
 * asking again would not help.
 */
export async function follow(followed: Followed, patience: Patience = PATIENCE): Promise<void> {
  const { signal } = followed;
  let lastEventId: string | null = null;
  let pauseMs = patience.firstMs;
  while (!signal.aborted) {
    const connection = new AbortController();
    const either = AbortSignal.any([signal, connection.signal]);
    let toldPauseMs = 0;
    let silence: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => connection.abort(new DOMException("silent", "TimeoutError")), patience.silenceMs);
    };
    try {
      heard();
      const reply = await followed.open(lastEventId, either);
      if (!reply) {
        if (await followed.poll()) return;
        await pause(patience.roomMs, signal);
        continue;
      }
      if (reply.status === 204) return;
      if (!reply.ok || !reply.body) throw failureOf(reply.status, await reply.json().catch(() => null));
      const events = reply.body
        .pipeThrough(watched(heard))
        .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
        .pipeThrough(new EventSourceParserStream({ onRetry: (ms) => (toldPauseMs = ms) }))
        .getReader();
      for (let next = await events.read(); !next.done; next = await events.read()) {
        const { event, id, data } = next.value;
        if (event === "error") throw failureOf(503, JSON.parse(data));
        if (id !== undefined) lastEventId = id;
        pauseMs = patience.firstMs;
        if (followed.take(data)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      const failure = asFailure(error);
      if (!failure.passes && failure.status !== 429 && failure.status !== 0) throw failure;
      if (await followed.poll().catch(() => false)) return;
      pauseMs = Math.min(pauseMs * 2, patience.longestMs);
    } finally {
      clearTimeout(silence);
      connection.abort();
    }
    await pause(toldPauseMs || pauseMs, signal);
  }
}

function watched(heard: () => void): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array> {
  return new TransformStream({
    transform(chunk, controller) {
      heard();
      controller.enqueue(chunk);
    },
  });
}

/** Waits, but not longer than until `signal` is aborted or the browser is back online. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", over);
      globalThis.removeEventListener?.("online", over);
      resolve();
    };
    const timer = setTimeout(over, milliseconds);
    signal.addEventListener("abort", over);
    globalThis.addEventListener?.("online", over);
    if (signal.aborted) over();
  });
}
