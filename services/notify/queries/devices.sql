-- Where users are reached beside the app.

-- name: lock_registrations
-- Of one user, whose devices are counted, and then of one address, which is moved: in this order everywhere, so that
-- two registrations never wait for each other. Two that lock the same by chance only wait.
SELECT pg_advisory_xact_lock(hashtextextended($1::text, 1)), pg_advisory_xact_lock(hashtextextended($2, 2))

-- name: remove_other
-- By devices_address, which has one at most.
DELETE FROM devices
WHERE vendor = $2 AND sha256(address::bytea) = sha256($3::text::bytea) AND device_id <> $1
RETURNING device_id

-- name: put_device
-- By primary key. A device of another user is neither changed nor told from one that was just registered.
INSERT INTO devices (device_id, user_id, vendor, address, host, keys) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (device_id) DO UPDATE
SET vendor = excluded.vendor, address = excluded.address, host = excluded.host, keys = excluded.keys,
    registered_at = now()
WHERE devices.user_id = excluded.user_id
RETURNING registered_at

-- name: redirect_deliveries
-- By deliveries_pending_device: what waits for a device goes where the device is now, from the first attempt on.
WITH moving AS (
    SELECT delivery_id FROM deliveries
    WHERE device_id = $1 AND status = 'PENDING' AND (vendor, host) <> ($2, $3)
    ORDER BY delivery_id FOR UPDATE
)
UPDATE deliveries SET vendor = $2, host = $3 FROM moving WHERE deliveries.delivery_id = moving.delivery_id

-- name: count_devices
-- By devices_user.
SELECT count(*) FROM devices WHERE user_id = $1

-- name: remove_device
-- By primary key.
DELETE FROM devices WHERE device_id = $1 AND user_id = $2 RETURNING device_id

-- name: list_devices
-- By devices_user; at most 20 rows, which are sorted.
SELECT device_id, vendor, host, registered_at FROM devices
WHERE user_id = $1
ORDER BY registered_at DESC, device_id DESC
