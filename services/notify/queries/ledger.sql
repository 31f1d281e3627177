-- The ledger: who was told what.

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

-- name: delete_written_before
-- By notifications_created_at; in portions, so that no statement runs long.
DELETE FROM notifications
WHERE notification_id IN (
    SELECT notification_id FROM notifications WHERE created_at < now() - make_interval(days => $1) LIMIT $2
)
