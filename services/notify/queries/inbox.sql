-- The inbox: what its user sees of the ledger.

-- name: list_notifications
-- By notifications_inbox, backwards from where the page before ended.
SELECT notification_id, kind, title, body, video_id, actor_user_id, reason_code, next_action, created_at, read_at
FROM notifications
WHERE user_id = $1 AND (created_at, notification_id) < ($2, $3) AND in_app
ORDER BY created_at DESC, notification_id DESC
LIMIT $4

-- name: list_unread
-- The same by notifications_unread; apart, because one statement for both could not use the partial index.
SELECT notification_id, kind, title, body, video_id, actor_user_id, reason_code, next_action, created_at, read_at
FROM notifications
WHERE user_id = $1 AND (created_at, notification_id) < ($2, $3) AND read_at IS NULL AND in_app
ORDER BY created_at DESC, notification_id DESC
LIMIT $4

-- name: count_unread
-- By notifications_unread, without reading the table where it is vacuumed.
SELECT count(*) FROM notifications WHERE user_id = $1 AND read_at IS NULL AND in_app

-- name: mark_read
-- By primary key; what was read before keeps its time.
UPDATE notifications SET read_at = now()
WHERE notification_id = ANY ($2) AND user_id = $1 AND read_at IS NULL AND in_app

-- name: mark_read_until
-- By notifications_unread, in portions, so that no statement runs long: an inbox may hold all of 90 days unread.
WITH marking AS (
    SELECT notification_id FROM notifications
    WHERE user_id = $1 AND created_at <= $2 AND read_at IS NULL AND in_app
    ORDER BY created_at, notification_id LIMIT $3
    FOR UPDATE
)
UPDATE notifications SET read_at = now() FROM marking WHERE notifications.notification_id = marking.notification_id
