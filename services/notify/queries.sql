-- The ledger.

-- name: write_notifications
-- A page of followers in one round trip. The unique constraint (user, kind, subject) decides who was told before: also
-- when two transactions write the same, of which the second waits for the first.
INSERT INTO notifications (
    notification_id, user_id, kind, subject, title, body, video_id, actor_user_id, reason_code, next_action
)
SELECT *
FROM unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::uuid[], $9::text[],
    $10::text[]
)
ON CONFLICT ON CONSTRAINT notifications_once DO NOTHING

-- name: mark_read
-- By primary key; what was read before keeps its time.
UPDATE notifications SET read_at = now()
WHERE notification_id = ANY ($2) AND user_id = $1 AND read_at IS NULL

-- name: mark_read_until
-- By notifications_unread: touches the unread ones alone.
UPDATE notifications SET read_at = now()
WHERE user_id = $1 AND created_at <= $2 AND read_at IS NULL

-- name: count_unread
-- By notifications_unread, without reading the table where it is vacuumed.
SELECT count(*) FROM notifications WHERE user_id = $1 AND read_at IS NULL

-- name: list_notifications
-- By notifications_inbox, backwards from where the page before ended.
SELECT notification_id, kind, title, body, video_id, actor_user_id, reason_code, next_action, created_at, read_at
FROM notifications
WHERE user_id = $1 AND (created_at, notification_id) < ($2, $3)
ORDER BY created_at DESC, notification_id DESC
LIMIT $4

-- name: list_unread
-- The same by notifications_unread; apart, because one statement for both could not use the partial index.
SELECT notification_id, kind, title, body, video_id, actor_user_id, reason_code, next_action, created_at, read_at
FROM notifications
WHERE user_id = $1 AND (created_at, notification_id) < ($2, $3) AND read_at IS NULL
ORDER BY created_at DESC, notification_id DESC
LIMIT $4

-- name: delete_written_before
-- By notifications_created_at; in portions, so that no statement runs long.
DELETE FROM notifications
WHERE notification_id IN (
    SELECT notification_id FROM notifications WHERE created_at < now() - make_interval(days => $1) LIMIT $2
)

-- Videos that were deleted.

-- name: is_deleted
-- By primary key.
SELECT EXISTS (SELECT FROM deleted_videos WHERE video_id = $1)

-- name: delete_video
-- A tombstone, for ever.
INSERT INTO deleted_videos (video_id) VALUES ($1) ON CONFLICT DO NOTHING

-- Fan-outs.

-- name: start_fanout
-- A cancelled one begins again with the first page: the ledger knows whom it has told. One that is under way or done
-- stays as it is.
INSERT INTO fanouts (video_id, author_id, video_title) VALUES ($1, $2, $3)
ON CONFLICT (video_id) DO UPDATE
SET status = 'PENDING', page_token = '', video_title = excluded.video_title, attempts = 0, next_at = now()
WHERE fanouts.status = 'CANCELLED'

-- name: cancel_fanout
-- By primary key; without its owner the claim is void (chassis/leases). Waits for a page that is being written, because
-- that transaction holds the row.
UPDATE fanouts SET status = 'CANCELLED', lease_owner = NULL, lease_until = NULL
WHERE video_id = $1 AND status = 'PENDING'

-- name: advance_fanout
-- By primary key, of a row that is locked; back to the end of the queue, so that fan-outs take turns page by page.
UPDATE fanouts
SET page_token = $2, status = CASE WHEN $2 = '' THEN 'DONE' ELSE 'PENDING' END, attempts = 0,
    lease_owner = NULL, lease_until = NULL, next_at = now()
WHERE video_id = $1
