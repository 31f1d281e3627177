import { afterEach, expect, test, vi } from "vitest";
import { openApi, told } from "../src/api/client";

afterEach(() => vi.unstubAllGlobals());

/** The API behind a server that takes one token alone, for a session that has another and may get that one. */
function opened(renewable: boolean) {
  const sent: string[] = [];
  let token = "old";
  vi.stubGlobal("fetch", async (request: Request) => {
    const authorization = request.headers.get("Authorization")!;
    sent.push(`${authorization} ${await request.text()}`);
    if (authorization !== "Bearer new") return Response.json({ code: "TOKEN_INVALID" }, { status: 401 });
    return Response.json({ unread_count: 0 });
  });
  const session = {
    authorization: () => `Bearer ${token}`,
    refused: async () => {
      if (renewable) token = "new";
      return renewable;
    },
  };
  return { api: openApi("http://api", session), sent };
}

test("a request whose token is refused is sent again with another", async () => {
  const { api, sent } = opened(true);
  const reply = await told(api.POST("/v1/notifications/read", { body: { until: "2026-11-23T02:40:34Z" } }));
  expect(reply.unread_count).toBe(0);
  const body = '{"until":"2026-11-23T02:40:34Z"}';
  expect(sent).toEqual([`Bearer old ${body}`, `Bearer new ${body}`]);
});

test("where there is no other token the refusal is told, once", async () => {
  const { api, sent } = opened(false);
  await expect(told(api.GET("/v1/videos"))).rejects.toMatchObject({ code: "TOKEN_INVALID", status: 401 });
  expect(sent).toHaveLength(1);
});
