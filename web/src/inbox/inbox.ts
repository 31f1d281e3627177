import { signal } from "@preact/signals";
import { type Api, told } from "../api/client";
import { follow, pause } from "../api/stream";
import type { Notification, NotificationEvent } from "../api/types";

const FIRST_MS = 2000;
const LONGEST_MS = 60_000;
/** Fewer than a page of the inbox, which has those that came before. */
const KEPT = 20;

/** Whether a notification tells of something that went wrong. */
export function isBad(kind: Notification["kind"]): boolean {
  return kind === "video_failed" || kind === "video_rejected" || kind === "webhook_disabled";
}

/** The inbox as it fills: how many notifications are unread, and those that came while the page was open. */
export function openInbox(api: Api, me: string, onArrival: (notification: Notification) => void) {
  const unread = signal(0);
  const arrived = signal<readonly Notification[]>([]);
  const closing = new AbortController();
  const seen = new Set<string>();
  /** Tabs of the same person tell each other that something was read. */
  const tabs = new BroadcastChannel(`nextplay.inbox.${me}`);
  tabs.onmessage = () => void look().catch(() => undefined);
  let counted = 0; // up to which sequence `unread` counts

  async function look(): Promise<number> {
    const { unread_count, latest_sequence } = await told(
      api.GET("/v1/notifications", { params: { query: { page_size: 1 } }, signal: closing.signal }),
    );
    unread.value = unread_count;
    counted = latest_sequence;
    return latest_sequence;
  }

  function take({ notification, sequence }: NotificationEvent) {
    if (!notification || seen.has(notification.notification_id)) return;
    seen.add(notification.notification_id);
    if (!notification.read_at && sequence > counted) unread.value += 1;
    counted = Math.max(counted, sequence);
    arrived.value = [notification, ...arrived.value].slice(0, KEPT);
    onArrival(notification);
  }

  /** Lists what is there and watches from that place on, so that nothing falls between. */
  async function watch() {
    const start = await look();
    await follow({
      open: (lastEventId, signal) =>
        api.stream(`/v1/notifications/stream?after_sequence=${start}`, lastEventId, signal),
      take: (data) => take(JSON.parse(data) as NotificationEvent),
      poll: async () => void (await look()),
      signal: closing.signal,
    });
  }

  async function watchOn() {
    for (let pauseMs = FIRST_MS; !closing.signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_MS)) {
      await watch().catch(() => undefined); // the badge waits; each page tells its own failures
      await pause(pauseMs, closing.signal);
    }
  }

  async function read(body: { notification_ids: string[] } | { until: string }) {
    unread.value = (await told(api.POST("/v1/notifications/read", { body }))).unread_count;
    tabs.postMessage("read");
  }

  void watchOn();
  return {
    unread,
    arrived,
    /** Marks these as read. */
    markRead: (ids: string[]) => read({ notification_ids: ids }),
    /** Marks all as read that were written until `time`. */
    markAllRead: (time: string) => read({ until: time }),
    close() {
      closing.abort();
      tabs.close();
    },
  };
}

export type Inbox = ReturnType<typeof openInbox>;
