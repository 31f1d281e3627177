// The service worker: shows what is pushed, and opens the video when it is clicked.

const worker = self as unknown as ServiceWorkerGlobalScope;

interface Pushed {
  title?: string;
  body?: string;
  notification_id?: string;
  video_id?: string;
}

worker.addEventListener("install", () => void worker.skipWaiting());
worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener("push", (event) => {
  const pushed = (event.data?.json() ?? {}) as Pushed;
  const shown = worker.registration.showNotification(pushed.title ?? "NextPlay", {
    body: pushed.body ?? "",
    icon: "icon.svg",
    tag: pushed.notification_id ?? "nextplay", // a message that comes twice is shown once
    data: pushed,
  });
  event.waitUntil(shown);
});

worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { video_id } = event.notification.data as Pushed;
  const address = new URL(video_id ? `#/videos/${video_id}` : "#/inbox", worker.registration.scope).href;
  event.waitUntil(open(address));
});

/** Shows the address in a tab of Studio that is open, else in a new one. */
async function open(address: string) {
  const [tab] = await worker.clients.matchAll({ type: "window" });
  if (!tab) return worker.clients.openWindow(address);
  await tab.navigate(address);
  return tab.focus();
}
