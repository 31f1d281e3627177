import { signal } from "@preact/signals";
import { type Api, told } from "../api/client";
import { asFailure, Failure } from "../api/failure";

const SUBSCRIBE_MS = 20_000;

export type PushState = "unknown" | "unsupported" | "refused" | "off" | "on";

/** Web Push of this browser for one user: the service worker, the browser's subscription and the device at the API. */
export function openPush(api: Api, me: string) {
  const state = signal<PushState>("unknown");
  const deviceKey = `nextplay.device.${me}`;
  const supported = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

  async function register(subscription: PushSubscription) {
    const deviceId = localStorage.getItem(deviceKey) ?? crypto.randomUUID();
    const { endpoint = "", keys = {} } = subscription.toJSON();
    const web_push = { endpoint, p256dh: keys["p256dh"] ?? "", auth: keys["auth"] ?? "" };
    const params = { path: { device_id: deviceId } };
    await told(api.PUT("/v1/devices/{device_id}", { params, body: { web_push } }));
    localStorage.setItem(deviceKey, deviceId);
    state.value = "on";
  }

  /** What is so now; a browser that is subscribed is registered again, since the API may have dropped it. */
  async function look() {
    if (!supported) return void (state.value = "unsupported");
    if (Notification.permission === "denied") return void (state.value = "refused");
    const worker = await navigator.serviceWorker.getRegistration(workerUrl());
    const subscription = await worker?.pushManager.getSubscription();
    if (subscription && localStorage.getItem(deviceKey)) await register(subscription);
    else state.value = "off";
  }

  async function switchOn() {
    if ((await Notification.requestPermission()) !== "granted") {
      state.value = Notification.permission === "denied" ? "refused" : "off";
      throw new Failure("PUSH_NOT_ALLOWED", "The browser did not allow it.", "Allow notifications of this page first.");
    }
    const { public_key } = await told(api.GET("/v1/devices/web-push-key"));
    await navigator.serviceWorker.register(workerUrl());
    const worker = await navigator.serviceWorker.ready;
    const subscribe = () =>
      Promise.race([
        worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: public_key }),
        // A browser whose push service does not answer asks on, without end.
        new Promise<never>((_, reject) => setTimeout(() => reject(browserFailure()), SUBSCRIBE_MS)),
      ]);
    const subscription = await subscribe().catch(async (error: unknown) => {
      if (!(error instanceof DOMException) || error.name !== "InvalidStateError") throw browserFailure();
      await (await worker.pushManager.getSubscription())?.unsubscribe(); // it was made with another key
      return subscribe();
    });
    await register(subscription);
  }

  async function switchOff() {
    const worker = await navigator.serviceWorker.getRegistration(workerUrl());
    await (await worker?.pushManager.getSubscription())?.unsubscribe();
    const deviceId = localStorage.getItem(deviceKey);
    if (deviceId) {
      const gone = api.DELETE("/v1/devices/{device_id}", { params: { path: { device_id: deviceId } } });
      await told(gone).catch((error: unknown) => {
        if (asFailure(error).status !== 404) throw error;
      });
      localStorage.removeItem(deviceKey);
    }
    state.value = "off";
  }

  void look().catch(() => (state.value = "off"));
  return { state, switchOn, switchOff };
}

export type Push = ReturnType<typeof openPush>;

function workerUrl(): string {
  return new URL("sw.js", document.baseURI).href;
}

function browserFailure(): Failure {
  return new Failure(
    "PUSH_UNAVAILABLE",
    "The browser's push service could not be reached.",
    "Check that the browser allows push messages, and try again.",
  );
}
