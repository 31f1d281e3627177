import { expect, test } from "vitest";
import type { Api } from "../src/api/client";
import { signedParts } from "../src/upload/signatures";

interface Asked {
  part_number: number;
  content_length: number;
}

/** An API that signs, and notes what was asked for by each request. */
function signing(status = 200) {
  const requests: Asked[][] = [];
  const POST = async (_path: string, { body }: { body: { parts: Asked[] } }) => {
    requests.push(body.parts);
    const headers = [
      { name: "Content-Length", value: "5" },
      { name: "Content-Type", value: "video/mp4" },
    ];
    const parts = body.parts.map(({ part_number }) => ({
      part_number,
      presigned_url: `https://s3/${part_number}`,
      headers,
    }));
    const response = new Response(null, { status });
    return status === 200 ? { data: { parts }, response } : { error: { code: "UPLOAD_EXPIRED" }, response };
  };
  return { api: { POST } as unknown as Api, requests };
}

test("parts that are wanted at the same moment are signed by one request, each upload by its own", async () => {
  const { api, requests } = signing();
  const sign = signedParts(api);
  const urls = await Promise.all([sign("a", 1, 5), sign("a", 2, 5), sign("b", 1, 5)]);
  expect(urls.map(({ url }) => url)).toEqual(["https://s3/1", "https://s3/2", "https://s3/1"]);
  expect(requests.map((parts) => parts.length)).toEqual([2, 1]);
  await sign("a", 3, 5);
  expect(requests).toHaveLength(3);
});

test("headers that only a browser sets are left to it", async () => {
  const { api } = signing();
  expect((await signedParts(api)("a", 1, 5)).headers).toEqual({ "Content-Type": "video/mp4" });
});

test("more parts than the API signs at once are signed by several requests", async () => {
  const { api, requests } = signing();
  const sign = signedParts(api);
  await Promise.all(Array.from({ length: 31 }, (_, index) => sign("a", index + 1, 5)));
  expect(requests.map((parts) => parts.length)).toEqual([30, 1]);
});

test("a refusal reaches all that wait for it", async () => {
  const sign = signedParts(signing(410).api);
  const settled = await Promise.allSettled([sign("a", 1, 5), sign("a", 2, 5)]);
  expect(settled.map((one) => one.status === "rejected" && (one.reason as { code: string }).code)).toEqual([
    "UPLOAD_EXPIRED",
    "UPLOAD_EXPIRED",
  ]);
});
