-- Endpoints, what is on its way to them, and what was sent.
-- Whoever locks rows of both tables locks endpoints before deliveries, each in the order of their ids.

-- name: lock_webhooks_of_user
-- Two registrations of one user wait for each other, so that both count what is there. The lock is the transaction's.
SELECT pg_advisory_xact_lock(hashtextextended('webhooks of ' || $1::uuid::text, 0))

-- name: count_webhooks
-- By webhooks_user.
SELECT count(*) FROM webhooks WHERE user_id = $1

-- name: add_webhook
-- The id is of an idempotency key: a repeat whose first try has come so far finds its row.
INSERT INTO webhooks (webhook_id, user_id, url, host, event_types, description, secret)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (webhook_id) DO NOTHING

-- name: list_webhooks
-- By webhooks_user, backwards; a user has at most 10.
SELECT webhook_id, user_id, url, host, event_types, description, disabled_reason, failing_since, created_at
FROM webhooks
WHERE user_id = $1
ORDER BY created_at DESC, webhook_id DESC

-- name: find_webhook
-- By primary key; another user's is not found.
SELECT webhook_id, user_id, url, host, event_types, description, disabled_reason, failing_since, created_at
FROM webhooks
WHERE webhook_id = $1 AND user_id = $2

-- name: lock_webhook
-- The same, locked until the transaction ends: what is added to its deliveries meanwhile waits.
SELECT webhook_id, user_id, url, host, event_types, description, disabled_reason, failing_since, created_at
FROM webhooks
WHERE webhook_id = $1 AND user_id = $2
FOR NO KEY UPDATE

-- name: replace_webhook
-- By primary key, of a row that is locked. One that is enabled again, or is another now, begins without failures. What is
-- on its way there goes to the new host, by webhook_deliveries_webhook.
WITH moving AS (
    SELECT delivery_id FROM webhook_deliveries
    WHERE webhook_id = $1 AND status = 'PENDING' AND host <> $3
    ORDER BY delivery_id FOR UPDATE
), moved AS (
    UPDATE webhook_deliveries SET host = $3 FROM moving WHERE webhook_deliveries.delivery_id = moving.delivery_id
)
UPDATE webhooks
SET url = $2, host = $3, event_types = $4, description = $5,
    disabled_reason = CASE WHEN $6 THEN NULL ELSE coalesce(disabled_reason, 'BY_OWNER') END,
    failing_since = CASE WHEN url = $2 AND disabled_reason IS NULL THEN failing_since END
WHERE webhook_id = $1

-- name: delete_deliveries
-- By webhook_deliveries_webhook, of an endpoint that is locked; their attempts go with them. Locked in the order of their
-- ids, as everywhere.
WITH leaving AS (
    SELECT delivery_id FROM webhook_deliveries
    WHERE delivery_id IN (
        SELECT delivery_id FROM webhook_deliveries WHERE webhook_id = $1 ORDER BY created_at, delivery_id LIMIT $2
    )
    ORDER BY delivery_id FOR UPDATE
)
DELETE FROM webhook_deliveries USING leaving WHERE webhook_deliveries.delivery_id = leaving.delivery_id

-- name: delete_webhook
-- By primary key; what it still has of deliveries and their attempts goes with it.
DELETE FROM webhooks WHERE webhook_id = $1 AND user_id = $2

-- name: find_secret
-- By primary key; another user's is not found.
SELECT secret, old_secret_until FROM webhooks WHERE webhook_id = $1 AND user_id = $2

-- name: rotate_secret
-- By primary key, of a row that is locked.
UPDATE webhooks
SET old_secret = secret, old_secret_until = now() + make_interval(secs => $3), secret = $2
WHERE webhook_id = $1
RETURNING old_secret_until

-- name: queue_event
-- By webhooks_user: a row for each endpoint of the user that wants it. Locks the endpoints, so that one who disables one
-- of them sees what was added to it.
INSERT INTO webhook_deliveries (delivery_id, webhook_id, user_id, host, event_id, event_type, payload, trace)
SELECT gen_random_uuid(), webhook_id, $1, host, $2, $3, $4, $5
FROM (
    SELECT webhook_id, host FROM webhooks
    WHERE user_id = $1 AND disabled_reason IS NULL AND (event_types = '{}' OR $3 = ANY (event_types))
    ORDER BY webhook_id
    FOR SHARE
) AS wanting
ON CONFLICT ON CONSTRAINT webhook_deliveries_once DO NOTHING

-- name: queue_test
-- For an endpoint that is locked. The id is of an idempotency key, as is that of an endpoint.
INSERT INTO webhook_deliveries (delivery_id, webhook_id, user_id, host, event_id, event_type, payload, trace)
SELECT $1, webhook_id, user_id, host, $1, 'webhook.test', $3, $4 FROM webhooks WHERE webhook_id = $2
ON CONFLICT (delivery_id) DO NOTHING

-- name: find_delivery
-- By primary key; locked, because it is to be sent again.
SELECT status FROM webhook_deliveries WHERE delivery_id = $1 AND webhook_id = $2 FOR UPDATE

-- name: send_again
-- By primary key, of a row that is locked.
UPDATE webhook_deliveries
SET status = 'PENDING', started_at = clock_timestamp(), next_at = now(), ended_at = NULL, attempts = 0
WHERE delivery_id = $1

-- name: forget_attempts
-- By primary key: all but the latest $2 attempts.
DELETE FROM webhook_attempts
WHERE delivery_id = $1 AND fence NOT IN (
    SELECT fence FROM webhook_attempts WHERE delivery_id = $1 ORDER BY fence DESC LIMIT $2
)

-- name: look_again
-- By primary keys, many in one round trip: claims that are about to be sent, with what their endpoints are by now. No row
-- where the claim was cancelled, the endpoint is disabled, or it has moved to another host: what is not cancelled is
-- claimed again when the lease has ended. None either where it was withdrawn with so many others that its own turn to be
-- cancelled has not come (withdrawals_webhook), though the endpoint may be enabled again.
SELECT d.delivery_id, d.webhook_id, d.user_id, w.url, d.host, d.event_type, d.payload, d.fence, d.attempts, w.secret,
    CASE WHEN w.old_secret_until > now() THEN w.old_secret END AS old_secret,
    w.failing_since IS NOT NULL AS was_failing,
    extract(epoch FROM now() - d.started_at)::float8 AS age_seconds
FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS claimed (delivery_id, fence, host)
JOIN webhook_deliveries AS d USING (delivery_id, fence, host)
JOIN webhooks AS w ON w.webhook_id = d.webhook_id
WHERE d.status = 'PENDING' AND d.lease_owner IS NOT NULL AND d.lease_until > now() AND w.disabled_reason IS NULL
    AND NOT EXISTS (
        SELECT FROM withdrawals WHERE withdrawals.webhook_id = d.webhook_id AND d.started_at <= withdrawn_at
    )

-- name: lock_endpoints
-- By primary key, in their order, before what was sent to them is written down.
SELECT webhook_id, user_id, url, host, disabled_reason IS NULL AS enabled, failing_since IS NOT NULL AS failing,
    coalesce(failing_since <= now() - make_interval(secs => $2), false) AS failing_too_long
FROM webhooks
WHERE webhook_id = ANY ($1::uuid[])
ORDER BY webhook_id
FOR NO KEY UPDATE

-- name: set_failing
-- By primary key, of rows that are locked.
UPDATE webhooks SET failing_since = CASE WHEN $2 THEN now() END WHERE webhook_id = $1

-- name: disable_webhook
-- By primary key, of a row that is locked.
UPDATE webhooks SET disabled_reason = $2 WHERE webhook_id = $1 RETURNING now()

-- name: write_attempts
-- By primary key, many in one round trip: only the fence that owns a delivery writes about it.
WITH results AS (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::bigint[], $3::timestamptz[], $4::int[], $5::int[], $6::text[], $7::text[], $8::text[],
        $9::float8[]
    ) AS results (delivery_id, fence, sent_at, latency_ms, http_status, error_code, reply, status, wait_seconds)
), held AS (
    SELECT d.delivery_id FROM webhook_deliveries AS d JOIN results USING (delivery_id, fence)
    WHERE d.status = 'PENDING' AND d.lease_owner IS NOT NULL
    ORDER BY d.delivery_id
    FOR UPDATE OF d
), written AS (
    UPDATE webhook_deliveries AS d
    SET status = results.status, lease_owner = NULL, lease_until = NULL,
        next_at = now() + make_interval(secs => results.wait_seconds),
        ended_at = CASE WHEN results.status <> 'PENDING' THEN now() END
    FROM results, held
    WHERE d.delivery_id = results.delivery_id AND held.delivery_id = d.delivery_id
)
INSERT INTO webhook_attempts (delivery_id, fence, sent_at, latency_ms, http_status, error_code, reply)
SELECT delivery_id, fence, sent_at, latency_ms, http_status, error_code, reply
FROM results JOIN held USING (delivery_id)

-- name: expire_webhook_deliveries
-- By webhook_deliveries_pending_age: those whose 24 hours have passed while they waited for a host that never answered.
-- What was never tried is tried once, however late.
WITH ending AS (
    SELECT delivery_id FROM webhook_deliveries
    WHERE status = 'PENDING' AND attempts > 0 AND started_at < now() - make_interval(secs => $1)
        AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY started_at LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE webhook_deliveries SET status = 'FAILED', ended_at = now(), lease_owner = NULL, lease_until = NULL
FROM ending WHERE webhook_deliveries.delivery_id = ending.delivery_id

-- name: list_webhook_deliveries
-- By webhook_deliveries_webhook, backwards from where the page before ended.
SELECT delivery_id, event_type, payload, status, created_at, ended_at,
    CASE WHEN status = 'PENDING' THEN next_at END AS next_attempt_at
FROM webhook_deliveries
WHERE webhook_id = $1 AND (created_at, delivery_id) < ($2, $3)
ORDER BY created_at DESC, delivery_id DESC
LIMIT $4

-- name: list_attempts
-- By primary key; a delivery has at most 20.
SELECT delivery_id, sent_at, latency_ms, http_status, error_code, reply
FROM webhook_attempts
WHERE delivery_id = ANY ($1::uuid[])
ORDER BY delivery_id, fence DESC

-- name: delete_old_webhook_deliveries
-- By webhook_deliveries_created_at, the oldest first, so that the index alone finds them; their attempts go with them. In
-- portions, so that no statement runs long.
DELETE FROM webhook_deliveries
WHERE delivery_id IN (
    SELECT delivery_id FROM webhook_deliveries
    WHERE created_at < now() - make_interval(days => $1)
    ORDER BY created_at LIMIT $2
)
