import { describe, expect, test } from "vitest";
import { Failure } from "../src/api/failure";
import { follow, pause } from "../src/api/stream";

const QUICK = { firstMs: 1, longestMs: 2, silenceMs: 200, roomMs: 1 };

function reply(text: string, status = 200): Response {
  return new Response(status === 204 ? null : text, { status });
}

/** Follows what these answers bring, one connection after another. */
async function followed(
  answers: (Response | Error | null)[],
  until: (data: string) => boolean = () => false,
  poll = async () => true,
) {
  const asked: (string | null)[] = [];
  const taken: string[] = [];
  await follow(
    {
      open: async (lastEventId) => {
        asked.push(lastEventId);
        const answer = answers.length > 0 ? answers.shift()! : reply("", 204);
        if (answer instanceof Error) throw answer;
        return answer;
      },
      take: (data) => {
        taken.push(data);
        return until(data);
      },
      poll,
      signal: new AbortController().signal,
    },
    QUICK,
  );
  return { asked, taken };
}

describe("a stream of events", () => {
  test("is resumed after the last event that was seen", async () => {
    const { asked, taken } = await followed([
      reply("id: 3\ndata: a\n\nid: 4\ndata: b\n\n"),
      reply("id: 5\ndata: c\n\n"),
    ]);
    expect(taken).toEqual(["a", "b", "c"]);
    expect(asked).toEqual([null, "4", "5"]);
  });

  test("is over with 204, with an event that says so, or with a poll that says so", async () => {
    expect((await followed([reply("", 204)])).asked).toEqual([null]);
    expect((await followed([reply("data: last\n\ndata: more\n\n")], (data) => data === "last")).taken).toEqual([
      "last",
    ]);
    expect((await followed([new TypeError("network")])).asked).toEqual([null]);
  });

  test("polls while it does not come, and comes back", async () => {
    let polls = 0;
    const poll = async () => ++polls > 5;
    const { taken } = await followed(
      [new TypeError("network"), reply("{}", 503), reply("data: a\n\n")],
      undefined,
      poll,
    );
    expect(polls).toBe(2);
    expect(taken).toEqual(["a"]);
  });

  test("polls while there is no room for it, and comes when there is", async () => {
    let polls = 0;
    const { taken } = await followed([null, null, reply("data: a\n\n")], undefined, async () => ++polls > 5);
    expect(polls).toBe(2);
    expect(taken).toEqual(["a"]);
  });

  test("goes on after an error that it tells, from the last event with an id", async () => {
    const told = 'id: 7\ndata: a\n\nevent: error\nretry: 1\ndata: {"code":"UNAVAILABLE","status":503}\n\n';
    const { asked, taken } = await followed([reply(told), reply("id: 8\ndata: b\n\n")], undefined, async () => false);
    expect(taken).toEqual(["a", "b"]);
    expect(asked).toEqual([null, "7", "8"]);
  });

  test("fails where asking again would not help", async () => {
    const problem = reply('{"code":"VIDEO_NOT_FOUND","detail":"There is no such video."}', 404);
    await expect(followed([problem])).rejects.toMatchObject({ code: "VIDEO_NOT_FOUND", status: 404 });
    await expect(followed([reply("{}", 401)])).rejects.toBeInstanceOf(Failure);
  });

  test("that stays silent is given up and polled for", async () => {
    const silent = new Response(new ReadableStream());
    let polls = 0;
    const poll = async () => {
      polls += 1;
      return true;
    };
    await follow(
      {
        open: async (_id, signal) => {
          const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
          silent.body!.pipeTo(writable, { signal }).catch(() => undefined);
          return new Response(readable);
        },
        take: () => false,
        poll,
        signal: new AbortController().signal,
      },
      { ...QUICK, silenceMs: 20 },
    );
    expect(polls).toBe(1);
  });

  test("ends at once when nobody wants it any more", async () => {
    const leaving = new AbortController();
    const following = follow(
      {
        open: () => new Promise((_, reject) => leaving.signal.addEventListener("abort", reject)),
        take: () => {},
        poll: async () => {},
        signal: leaving.signal,
      },
      QUICK,
    );
    leaving.abort();
    await following;
  });
});

test("a pause is over when it is aborted", async () => {
  const leaving = new AbortController();
  const paused = pause(60_000, leaving.signal);
  leaving.abort();
  await paused;
});
