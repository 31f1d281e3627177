-- The ledger, and at the same time the inbox: a row is the notification as its user sees it.
CREATE TABLE notifications (
    notification_id uuid        PRIMARY KEY,
    user_id         uuid        NOT NULL,
    kind            text        NOT NULL
        CHECK (kind IN ('video_ready', 'video_failed', 'video_rejected', 'video_published')),
    subject         text        NOT NULL,
    title           text        NOT NULL,
    body            text        NOT NULL,
    video_id        uuid        NOT NULL,
    actor_user_id   uuid        NOT NULL,
    reason_code     text,
    next_action     text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    read_at         timestamptz,
    -- Nobody is told the same thing twice: whoever writes, writes ON CONFLICT DO NOTHING.
    CONSTRAINT notifications_once UNIQUE (user_id, kind, subject)
);

COMMENT ON COLUMN notifications.subject IS
    'What it is about: <video_id>/<generation> of an outcome, <video_id> of a publication.';

-- Serves the pages of the inbox.
CREATE INDEX notifications_inbox ON notifications (user_id, created_at, notification_id);
-- Serves the number of unread ones, the pages of unread ones, and marking as read.
CREATE INDEX notifications_unread ON notifications (user_id, created_at, notification_id) WHERE read_at IS NULL;
-- Serves the job that deletes old ones; rows lie in the order of their time, so the smallest kind of index suffices.
CREATE INDEX notifications_created_at ON notifications USING brin (created_at);
