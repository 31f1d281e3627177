-- What operators ask. Titles and bodies, addresses of devices and URLs of webhooks are left out.

-- name: show_notifications
-- By notifications_once: what a user was told about a video; every subject begins with its id.
SELECT notification_id, kind, created_at, in_app, sequence, read_at, reason_code FROM notifications
WHERE user_id = $1 AND kind = ANY ($2) AND starts_with(subject, $3::uuid::text)
ORDER BY created_at DESC
LIMIT $4

-- name: show_pushes
-- By deliveries_once, of the notifications above.
SELECT delivery_id, notification_id, vendor, host, status, attempts, last_error, created_at, ended_at, next_at,
       lease_owner AS worker
FROM deliveries WHERE notification_id = ANY ($1)
ORDER BY created_at DESC
LIMIT $2

-- name: show_webhook_deliveries
-- By webhooks_user and webhook_deliveries_webhook, the latest deliveries of each endpoint; the video is in the payload.
SELECT delivery_id, delivery.webhook_id, event_type, status, attempts, delivery.created_at, ended_at, next_at,
       lease_owner AS worker
FROM webhooks
CROSS JOIN LATERAL (
    SELECT * FROM webhook_deliveries
    WHERE webhook_deliveries.webhook_id = webhooks.webhook_id
    ORDER BY created_at DESC, delivery_id DESC
    LIMIT 1000
) AS delivery
WHERE webhooks.user_id = $1 AND strpos(payload, $2::uuid::text) > 0
ORDER BY delivery.created_at DESC
LIMIT $3

-- name: show_fanout
-- By primary key.
SELECT status, author_id, created_at, attempts, next_at, lease_owner AS worker, cardinality(unfollowed) AS unfollowed
FROM fanouts WHERE video_id = $1

-- name: show_deleted
-- By primary key.
SELECT deleted_at FROM deleted_videos WHERE video_id = $1

-- name: count_pushes
-- By deliveries_created_at: how pushes of the last while ended.
SELECT vendor, host, status, last_error, count(*) AS deliveries FROM deliveries
WHERE created_at > now() - make_interval(secs => $1)
GROUP BY vendor, host, status, last_error
ORDER BY deliveries DESC
LIMIT $2
