-- Deliveries that are cancelled. Without its owner a present claim is void (chassis/leases): who is just trying such a
-- delivery writes nothing down about it any more. They are locked in the order of their ids, as everywhere, so that two
-- that cancel never wait for each other crosswise, and in portions, so that no statement runs long: a publication has as
-- many as its author has followers.

-- name: cancel_of_video
-- By deliveries_pending_video, up to $3. One that ended meanwhile stays as it ended; $4 is when what was left to be
-- cancelled had been written at the latest.
WITH ending AS (
    SELECT delivery_id FROM deliveries
    WHERE video_id = $1 AND kind = ANY ($2) AND status = 'PENDING' AND created_at <= coalesce($4::timestamptz, 'infinity')
    ORDER BY delivery_id LIMIT $3 FOR UPDATE
)
UPDATE deliveries SET status = 'CANCELLED', ended_at = now(), lease_owner = NULL, lease_until = NULL
FROM ending WHERE deliveries.delivery_id = ending.delivery_id

-- name: cancel_of_user
-- The same by deliveries_pending_user: of some authors, or on one channel, where they are given.
WITH ending AS (
    SELECT delivery_id FROM deliveries
    WHERE user_id = $1 AND kind = ANY ($2) AND status = 'PENDING' AND created_at <= coalesce($4::timestamptz, 'infinity')
      AND ($5::uuid[] IS NULL OR actor_user_id = ANY ($5))
      AND ($6::text IS NULL OR $6 = CASE vendor WHEN 'web_push' THEN 'web_push' ELSE 'mobile_push' END)
    ORDER BY delivery_id LIMIT $3 FOR UPDATE
)
UPDATE deliveries SET status = 'CANCELLED', ended_at = now(), lease_owner = NULL, lease_until = NULL
FROM ending WHERE deliveries.delivery_id = ending.delivery_id

-- name: cancel_of_device
-- The same by deliveries_pending_device, up to $2 that had been written until $3.
WITH ending AS (
    SELECT delivery_id FROM deliveries
    WHERE device_id = $1 AND status = 'PENDING' AND created_at <= coalesce($3::timestamptz, 'infinity')
    ORDER BY delivery_id LIMIT $2 FOR UPDATE
)
UPDATE deliveries SET status = 'CANCELLED', ended_at = now(), lease_owner = NULL, lease_until = NULL
FROM ending WHERE deliveries.delivery_id = ending.delivery_id

-- name: lock_endpoint
-- By primary key, before its deliveries are, as everywhere (webhooks.sql).
SELECT FROM webhooks WHERE webhook_id = $1 FOR NO KEY UPDATE

-- name: cancel_of_endpoint
-- The same by webhook_deliveries_pending_webhook. What is sent again counts as written when that was asked for.
WITH ending AS (
    SELECT delivery_id FROM webhook_deliveries
    WHERE webhook_id = $1 AND status = 'PENDING' AND started_at <= coalesce($3::timestamptz, 'infinity')
    ORDER BY delivery_id LIMIT $2 FOR UPDATE
)
UPDATE webhook_deliveries SET status = 'CANCELLED', ended_at = now(), lease_owner = NULL, lease_until = NULL
FROM ending WHERE webhook_deliveries.delivery_id = ending.delivery_id

-- name: leave_withdrawal
-- For who cancels what is left. Its time is that of the clock: a page for which this transaction waited began after it.
INSERT INTO withdrawals (video_id, user_id, author_ids, channel, kinds, because, device_id, webhook_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: find_withdrawn_at
-- By primary key, of a row that is locked.
SELECT withdrawn_at FROM withdrawals WHERE withdrawal_id = $1

-- name: forget_withdrawal
-- By primary key, of a row that is locked.
DELETE FROM withdrawals WHERE withdrawal_id = $1
