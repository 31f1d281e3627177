-- What is on its way to devices.

-- name: prepare_delivery
-- All by primary key, and with it the turn of the user ($6 to $8, as in allowances.sql) and of the device: who comes
-- together with another waits for it and sees its turn.
-- No row where the delivery was cancelled or claimed by somebody else; empty columns where something was removed, or
-- where the device's id is another user's by now. No turn where the device is not the claim's vendor's by now, nor
-- where its user switched the kind off there, which a page that was being written at that moment has not seen, nor
-- where it was withdrawn with so many others that its own turn to be cancelled has not come (withdrawals_video,
-- withdrawals_user, withdrawals_device), or its video was deleted while it was written.
WITH mine AS (
    SELECT device_id, user_id, notification_id, created_at,
        NOT EXISTS (
            SELECT FROM preferences
            WHERE preferences.user_id = deliveries.user_id AND preferences.kind = deliveries.kind AND NOT enabled
                AND channel = CASE $5::text WHEN 'web_push' THEN 'web_push' ELSE 'mobile_push' END
        ) AND NOT EXISTS (
            SELECT FROM withdrawals
            WHERE withdrawals.video_id = deliveries.video_id AND deliveries.kind = ANY (kinds)
                AND deliveries.created_at <= withdrawn_at
        ) AND NOT EXISTS (
            SELECT FROM withdrawals
            WHERE withdrawals.user_id = deliveries.user_id AND deliveries.kind = ANY (kinds)
                AND (author_ids IS NULL OR deliveries.actor_user_id = ANY (author_ids))
                AND (channel IS NULL OR channel = CASE $5 WHEN 'web_push' THEN 'web_push' ELSE 'mobile_push' END)
                AND deliveries.created_at <= withdrawn_at
        ) AND NOT EXISTS (
            SELECT FROM withdrawals
            WHERE withdrawals.device_id = deliveries.device_id AND deliveries.created_at <= withdrawn_at
        ) AND NOT EXISTS (
            SELECT FROM deleted_videos WHERE deleted_videos.video_id = deliveries.video_id
        ) AS wanted
    FROM deliveries
    WHERE delivery_id = $1 AND fence = $2 AND status = 'PENDING' AND lease_owner IS NOT NULL
), of_user AS (
    INSERT INTO allowance_uses AS uses (subject_id, allowance, next_at)
    SELECT mine.user_id, $6, now() + make_interval(secs => $7)
    FROM mine JOIN devices ON devices.device_id = mine.device_id AND devices.user_id = mine.user_id
    WHERE devices.vendor = $5 AND wanted AND next_push_at <= now() + make_interval(secs => $4)
    ON CONFLICT (subject_id, allowance) DO UPDATE
    SET next_at = greatest(uses.next_at, now()) + make_interval(secs => $7)
    WHERE uses.next_at <= now() + make_interval(secs => $8)
    RETURNING subject_id
), turn AS (
    UPDATE devices SET next_push_at = greatest(next_push_at, now()) + make_interval(secs => $3)
    FROM mine JOIN of_user ON of_user.subject_id = mine.user_id
    WHERE devices.device_id = mine.device_id AND devices.user_id = mine.user_id AND devices.vendor = $5
        AND wanted AND next_push_at <= now() + make_interval(secs => $4)
    RETURNING devices.device_id
)
SELECT now() - mine.created_at AS age, wanted, devices.vendor, devices.address, devices.host, devices.keys,
    EXISTS (SELECT FROM turn) AS has_turn,
    greatest(
        extract(epoch FROM devices.next_push_at - now())::float8 - $4, extract(epoch FROM uses.next_at - now())::float8 - $8
    ) AS wait_seconds,
    notifications.notification_id, notifications.kind, notifications.title, notifications.body, notifications.video_id
FROM mine
LEFT JOIN devices ON devices.device_id = mine.device_id AND devices.user_id = mine.user_id
LEFT JOIN allowance_uses AS uses ON uses.subject_id = mine.user_id AND uses.allowance = $6
LEFT JOIN notifications ON notifications.notification_id = mine.notification_id

-- name: end_delivery
-- By primary key; only for who holds the claim.
UPDATE deliveries
SET status = $3, last_error = $4, ended_at = now(), lease_owner = NULL, lease_until = NULL
WHERE delivery_id = $1 AND fence = $2 AND status = 'PENDING' AND lease_owner IS NOT NULL

-- name: postpone_delivery
-- As above; back into the queue, and the attempt counts.
UPDATE deliveries
SET last_error = $4, next_at = now() + make_interval(secs => $3), lease_owner = NULL, lease_until = NULL
WHERE delivery_id = $1 AND fence = $2 AND status = 'PENDING' AND lease_owner IS NOT NULL

-- name: postpone_others
-- By deliveries_pending_device: all that are due for a device without a turn, one after the other at its interval, so
-- that they are not claimed in vain again and again before others of their host. What somebody has claimed or locked is
-- left to them. No more than $4, so that no statement runs long: the next without a turn puts off the next of them.
WITH due AS (
    SELECT delivery_id, priority FROM deliveries
    WHERE device_id = $1 AND status = 'PENDING' AND next_at <= now() AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY delivery_id LIMIT $4 FOR UPDATE SKIP LOCKED
), turns AS (
    SELECT delivery_id, row_number() OVER (ORDER BY priority DESC, delivery_id) AS number FROM due
)
UPDATE deliveries SET next_at = now() + make_interval(secs => $2 + $3 * number)
FROM turns WHERE deliveries.delivery_id = turns.delivery_id

-- name: redirect_delivery
-- As above; the claim stays. A page that read the devices before one was registered anew has written the vendor before.
UPDATE deliveries SET vendor = $3, host = $4
WHERE delivery_id = $1 AND fence = $2 AND status = 'PENDING' AND lease_owner IS NOT NULL

-- name: give_back_delivery
-- As above; nothing was attempted.
UPDATE deliveries
SET attempts = attempts - 1, next_at = now() + make_interval(secs => $3), lease_owner = NULL, lease_until = NULL
WHERE delivery_id = $1 AND fence = $2 AND status = 'PENDING' AND lease_owner IS NOT NULL

-- name: remove_gone_device
-- By primary key, unless the device was registered anew with another address meanwhile.
DELETE FROM devices WHERE device_id = $1 AND vendor = $2 AND address = $3 RETURNING device_id

-- name: find_waited_for
-- By deliveries_pending_age, one row for each vendor.
SELECT vendor FROM unnest($1::text[]) AS asked (vendor)
WHERE EXISTS (SELECT FROM deliveries WHERE deliveries.vendor = asked.vendor AND status = 'PENDING')

-- name: refuse_pending
-- By deliveries_pending_age, in portions, so that no statement runs long; locked in the order of ids, as everywhere. Waits
-- for who has locked one of them, because who comes again at once would find it pending still.
WITH ending AS (
    SELECT delivery_id FROM deliveries
    WHERE status = 'PENDING' AND delivery_id IN (
        SELECT delivery_id FROM deliveries WHERE vendor = $1 AND status = 'PENDING' ORDER BY created_at LIMIT $3
    )
    ORDER BY delivery_id FOR UPDATE
)
UPDATE deliveries
SET status = 'FAILED', last_error = $2, ended_at = now(), lease_owner = NULL, lease_until = NULL
FROM ending WHERE deliveries.delivery_id = ending.delivery_id

-- name: expire_deliveries
-- By deliveries_pending_age, a vendor after the other: those that wait for a host which never answered.
UPDATE deliveries
SET status = 'FAILED', last_error = coalesce(last_error, 'EXPIRED'), ended_at = now(), lease_owner = NULL,
    lease_until = NULL
WHERE delivery_id IN (
    SELECT waiting.delivery_id
    FROM unnest('{web_push,fcm,apns}'::text[]) AS vendors (vendor) CROSS JOIN LATERAL (
        SELECT delivery_id FROM deliveries
        WHERE deliveries.vendor = vendors.vendor AND status = 'PENDING' AND created_at < now() - $1::interval
        ORDER BY created_at LIMIT $2
        FOR UPDATE SKIP LOCKED
    ) AS waiting
)

-- name: delete_ended
-- By deliveries_created_at; in portions, so that no statement runs long.
DELETE FROM deliveries
WHERE delivery_id IN (
    SELECT delivery_id FROM deliveries
    WHERE created_at < now() - make_interval(days => $1) AND status <> 'PENDING'
    ORDER BY created_at LIMIT $2
)

-- name: oldest_pending
-- By deliveries_pending_age and webhook_deliveries_pending_age: one row of them for each channel.
SELECT vendor AS channel, coalesce(extract(epoch FROM now() - oldest.since), 0)::float8 AS seconds
FROM unnest('{web_push,fcm,apns}'::text[]) AS vendors (vendor)
LEFT JOIN LATERAL (
    SELECT created_at AS since FROM deliveries
    WHERE deliveries.vendor = vendors.vendor AND status = 'PENDING' ORDER BY created_at LIMIT 1
) AS oldest ON true
UNION ALL
SELECT 'webhook', coalesce(extract(epoch FROM now() - (
    SELECT started_at FROM webhook_deliveries WHERE status = 'PENDING' ORDER BY started_at LIMIT 1
)), 0)::float8

-- name: count_waiting
-- By the indexes that end in _pending_turn: what waits for some hosts, each of a channel, and of each no more than $3 is
-- read, so that it costs little however much that is.
SELECT hosts.channel, hosts.host, waiting.number
FROM unnest($1::text[], $2::text[]) AS hosts (channel, host)
CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM (
        (
            SELECT 1 FROM deliveries
            WHERE vendor = hosts.channel AND deliveries.host = hosts.host AND status = 'PENDING' LIMIT $3
        )
        UNION ALL
        (
            SELECT 1 FROM webhook_deliveries
            WHERE hosts.channel = 'webhook' AND webhook_deliveries.host = hosts.host AND status = 'PENDING' LIMIT $3
        )
    ) AS pending
) AS waiting
