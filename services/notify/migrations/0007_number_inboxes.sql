-- Each inbox counts what comes into it. The count is raised under the lock of its row, so that a number is seen only
-- after all lower ones: whoever has read up to a number misses nothing by asking for what is above it.
CREATE TABLE inboxes (
    user_id       uuid   PRIMARY KEY,
    last_sequence bigint NOT NULL
) WITH (fillfactor = 70);

ALTER TABLE notifications ADD COLUMN sequence bigint;
COMMENT ON COLUMN notifications.sequence IS
    'Its number in its inbox: increasing, not without gaps. Null where the inbox does not show it, or from before 0007.';
-- Serves the stream of new ones.
CREATE INDEX notifications_sequence ON notifications (user_id, sequence) WHERE sequence IS NOT NULL;

-- What the inbox does not show is never read, and would make counting slow.
DROP INDEX notifications_unread;
CREATE INDEX notifications_unread ON notifications (user_id, created_at, notification_id)
    WHERE read_at IS NULL AND in_app;

-- A notification of a webhook is about no video.
ALTER TABLE notifications ALTER COLUMN video_id DROP NOT NULL;
ALTER TABLE deliveries ALTER COLUMN video_id DROP NOT NULL;
ALTER TABLE notifications DROP CONSTRAINT notifications_kind_check;
ALTER TABLE notifications ADD CONSTRAINT notifications_kind_check
    CHECK (kind IN ('video_ready', 'video_failed', 'video_rejected', 'video_published', 'webhook_disabled'));

-- Serves an unfollow and a mute, which send back the pages that are on their way.
CREATE INDEX fanouts_pending_author ON fanouts (author_id) WHERE status = 'PENDING';
