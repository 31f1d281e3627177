import { useEffect } from "preact/hooks";
import { told } from "../api/client";
import type { Notification } from "../api/types";
import { ago } from "../format";
import { hrefOf } from "../route";
import { useStudio } from "../studio";
import { Icon, type IconName } from "../ui/icon";
import { useLoad, usePages } from "../ui/load";
import { Button, Empty, Loading, PageTitle, Trouble } from "../ui/parts";

const PAGE = 30;
const ICONS: Record<Notification["kind"], IconName> = {
  video_ready: "check",
  video_failed: "alert",
  video_rejected: "alert",
  video_published: "play",
  webhook_disabled: "link",
};

/** What one was told, as it comes. */
export function InboxPage() {
  const { api, inbox, toasts } = useStudio();
  const { items, failure, more, reload, change } = usePages<Notification>("inbox", async (token, signal) => {
    const query = { page_size: PAGE, ...(token && { page_token: token }) };
    const page = await told(api.GET("/v1/notifications", { params: { query }, ...(signal && { signal }) }));
    return { items: page.notifications, next: page.next_page_token };
  });
  const arrived = inbox.arrived.value;
  useEffect(() => {
    change((known) => {
      const ids = new Set(known.map(({ notification_id }) => notification_id));
      return [...arrived.filter(({ notification_id }) => !ids.has(notification_id)), ...known];
    });
  }, [arrived, items === null]);

  function markRead(isRead: (one: Notification) => boolean) {
    const now = new Date().toISOString();
    change((known) => known.map((one) => (isRead(one) && !one.read_at ? { ...one, read_at: now } : one)));
  }
  async function readAll() {
    const latest = items?.[0];
    if (!latest) return;
    await inbox.markAllRead(latest.created_at).then(() => markRead(() => true), toasts.fail);
  }
  async function read(one: Notification) {
    if (one.read_at) return;
    await inbox.markRead([one.notification_id]).then(() => markRead((other) => other === one), toasts.fail);
  }

  return (
    <>
      <PageTitle
        side={
          inbox.unread.value > 0 && (
            <Button icon="check" onClick={readAll}>
              Mark all as read
            </Button>
          )
        }
      >
        Inbox
      </PageTitle>
      {failure && <Trouble error={failure} again={reload} />}
      {!items && !failure && <Loading what="your inbox" shape="row" />}
      {items?.length === 0 && (
        <Empty icon="bell" title="All quiet">
          <p>Here you hear when a video of yours is ready, and when somebody you follow publishes.</p>
        </Empty>
      )}
      <ul class="rows" aria-label="Notifications">
        {items?.map((one) => (
          <li key={one.notification_id} class={one.read_at ? "row" : "row row-unread"}>
            <span class={`row-icon row-icon-${one.kind}`}>
              <Icon name={ICONS[one.kind]} />
            </span>
            <div class="row-text">
              <p class="row-title">
                {one.video_id ? (
                  <a href={hrefOf({ page: "video", id: one.video_id })} onClick={() => void read(one)}>
                    {one.title} <VideoTitle notification={one} />
                  </a>
                ) : (
                  one.title
                )}
                {!one.read_at && <span class="hidden"> (unread)</span>}
              </p>
              <p>{one.body}</p>
              {one.next_action && <p class="hint">{one.next_action}</p>}
              <p class="hint">{ago(one.created_at)}</p>
            </div>
            {!one.read_at && (
              <Button
                kind="quiet"
                icon="check"
                label={`Mark as read: ${one.title} ${one.body}`}
                onClick={() => read(one)}
              >
                Read
              </Button>
            )}
          </li>
        ))}
      </ul>
      {more && (
        <div class="more">
          <Button onClick={more}>Show more</Button>
        </div>
      )}
    </>
  );
}

/** What a notification's video is called, where its text does not say so. */
function VideoTitle({ notification }: { notification: Notification }) {
  const { titles } = useStudio();
  const { value } = useLoad(notification.notification_id, () => titles.of(notification));
  return value ? <>“{value}”</> : null;
}
