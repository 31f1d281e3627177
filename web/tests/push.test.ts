import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Api } from "../src/api/client";
import { openPush } from "../src/push/push";

/** A browser that knows push messages, and what its push service answers when it is asked to subscribe. */
function browser(subscribe: () => Promise<unknown>) {
  const worker = { pushManager: { subscribe, getSubscription: async () => null } };
  const serviceWorker = { getRegistration: async () => worker, register: async () => worker, ready: worker };
  vi.stubGlobal("navigator", { serviceWorker });
  vi.stubGlobal("window", { PushManager: {}, Notification: {} });
  vi.stubGlobal("document", { baseURI: "https://studio.example/" });
  vi.stubGlobal("Notification", { permission: "granted", requestPermission: async () => "granted" });
}

const api = { GET: async () => ({ data: { public_key: "key" }, response: new Response("{}") }) } as unknown as Api;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a push service that does not answer is told as that, and not waited for without end", async () => {
  browser(() => new Promise(() => {}));
  const { state, switchOn } = openPush(api, "me");
  const failed = expect(switchOn()).rejects.toMatchObject({ code: "PUSH_UNAVAILABLE" });
  await vi.advanceTimersByTimeAsync(20_000);
  await failed;
  expect(state.value).toBe("off");
});
