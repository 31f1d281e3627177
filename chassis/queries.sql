-- The statements on chassis' own tables (chassis/migrations), of which a schema has one set, and on work tables.

-- name: insert_outbox
-- All events of a transaction in one round trip; the identity column numbers them in the order of the arrays.
INSERT INTO outbox (topic, key, headers, data)
SELECT topic, key, headers, data
FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::bytea[]) WITH ORDINALITY
    AS event (topic, key, headers, data, position)
ORDER BY position

-- name: reserve_key
-- One statement decides who carries the command out: a new key is inserted; a key whose command neither replied nor
-- holds its lease any more is taken over, with the ids of the first try; a key older than a day is begun anew.
-- No row comes back when another try holds the key, the command has replied, or the request is another one.
INSERT INTO idempotency_keys AS known (user_id, method, key, request_hash, ids, reserved_until)
VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
ON CONFLICT (user_id, method, key) DO UPDATE
SET attempt = CASE WHEN known.created_at < now() - interval '24 hours' THEN 1 ELSE known.attempt + 1 END,
    reserved_until = excluded.reserved_until,
    ids = CASE WHEN known.created_at < now() - interval '24 hours' THEN excluded.ids ELSE known.ids END,
    request_hash = excluded.request_hash,
    reply = NULL,
    created_at = CASE WHEN known.created_at < now() - interval '24 hours' THEN now() ELSE known.created_at END
WHERE known.created_at < now() - interval '24 hours'
   OR (known.request_hash = excluded.request_hash AND known.reply IS NULL AND known.reserved_until <= now())
RETURNING ids, attempt

-- name: find_key
-- By primary key: why a key could not be reserved.
SELECT request_hash, reply, extract(epoch FROM reserved_until - now())::float8 AS free_in
FROM idempotency_keys
WHERE user_id = $1 AND method = $2 AND key = $3

-- name: release_key
-- By primary key; `attempt` keeps a try that was taken over from releasing its successor. A first try that was refused
-- as it stands ($5) has begun nothing: its key is older than any now, so it is begun anew, whatever the request.
UPDATE idempotency_keys
SET reserved_until = now(), created_at = CASE WHEN $5 AND attempt = 1 THEN '-infinity' ELSE created_at END
WHERE user_id = $1 AND method = $2 AND key = $3 AND attempt = $4 AND reply IS NULL

-- name: store_reply
-- By primary key; of two tries the first to commit keeps its reply, both used the same ids.
UPDATE idempotency_keys SET reply = $4
WHERE user_id = $1 AND method = $2 AND key = $3 AND reply IS NULL

-- name: delete_expired_keys
-- By the index on created_at; in portions, so that no statement runs long.
DELETE FROM idempotency_keys
WHERE (user_id, method, key) IN (
    SELECT user_id, method, key FROM idempotency_keys WHERE created_at < now() - interval '24 hours' LIMIT 1000
)

-- name: lock_relay
-- Held by the session: whoever has it drains the outbox of this schema, and a lost connection gives it up.
SELECT pg_try_advisory_lock($1, hashtext($2))

-- name: wake_relay
-- In a transaction of its own, which writes nothing: whoever notifies holds a lock of the whole database until its
-- commit is on disk.
SELECT pg_notify($1, '')

-- name: find_unsent
-- By primary key from the lowest id on: no high-water mark, because a lower id may be committed after a higher one.
-- Keys with a row that was set aside wait; that index is empty as a rule. So do the keys of $2 (topics) and $3, which
-- failed a moment ago: the lowest ids are theirs, and would fill every batch.
SELECT id, topic, key, headers, data
FROM outbox
WHERE set_aside_reason IS NULL
  AND NOT EXISTS (
      SELECT FROM outbox AS refused
      WHERE refused.set_aside_reason IS NOT NULL AND refused.topic = outbox.topic AND refused.key = outbox.key
  )
  AND (topic, key) NOT IN (SELECT * FROM unnest($2::text[], $3::text[]))
ORDER BY id
LIMIT $1

-- name: delete_sent
-- By primary key.
DELETE FROM outbox WHERE id = ANY($1::bigint[])

-- name: set_aside
-- By primary key.
UPDATE outbox SET set_aside_reason = $2 WHERE id = $1

-- name: try_set_aside_again
-- By the partial index: the broker may have been mended.
UPDATE outbox SET set_aside_reason = NULL WHERE set_aside_reason IS NOT NULL

-- name: insert_inbox
-- By primary key; a second delivery at the same time waits here for the first to commit, and then inserts nothing.
INSERT INTO inbox (consumer, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true

-- name: forget_inbox
-- By the index on applied_at; in portions, so that no statement runs long.
DELETE FROM inbox
WHERE (consumer, event_id) IN (
    SELECT consumer, event_id FROM inbox WHERE applied_at < now() - make_interval(days => $1) LIMIT 5000
)

-- name: prepare_schema
-- Run again by every migration: who may use what is in the schema and what will be; of the table of applied files, which
-- the owner alone writes, and of what people did by hand, which is not rewritten, less. {schema} is quoted.
SET search_path = {schema};
CREATE TABLE IF NOT EXISTS schema_migrations (
    scope      text        NOT NULL,
    version    int         NOT NULL,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, version)
);
GRANT USAGE ON SCHEMA {schema} TO {schema};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {schema};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {schema};
REVOKE ALL ON schema_migrations FROM {schema};
GRANT SELECT ON schema_migrations TO {schema};
DO $$ BEGIN
    IF to_regclass('operator_actions') IS NOT NULL THEN -- which 0004 makes, with these rights
        REVOKE UPDATE, DELETE ON operator_actions FROM {schema};
        GRANT UPDATE (ended_at, outcome) ON operator_actions TO {schema};
    END IF;
END $$;
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {schema};
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT ON SEQUENCES TO {schema};
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT EXECUTE ON FUNCTIONS TO {schema}

-- name: claim_work
-- Of any work table (chassis/leases): its names are in the braces, as in the three below. By its partial index on what is
-- claimable. Rows that another claim has locked at this moment are skipped, so claims never wait for each other; the
-- rank keeps the order of the index, which UPDATE … RETURNING does not.
WITH due AS (
    SELECT {key} AS due_key, row_number() OVER () AS rank
    FROM (
        SELECT {key} FROM {table}
        WHERE ({claimable}) AND next_at <= now() AND (lease_until IS NULL OR lease_until <= now())
        ORDER BY {order_by}
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ) AS locked
)
UPDATE {table} AS work
SET lease_owner = $1, lease_until = now() + make_interval(secs => $2),
    fence = work.fence + 1, attempts = work.attempts + 1
FROM due WHERE work.{key} = due_key
RETURNING work.*, rank

-- name: claim_these
-- By primary key: of the rows that somebody chose, those that are claimable, due and free, in the order of their keys.
-- Skips what another claim has locked, as above.
WITH free AS (
    SELECT {key} AS free_key FROM {table}
    WHERE {key} = ANY ($3) AND ({claimable}) AND next_at <= now() AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY {key}
    FOR UPDATE SKIP LOCKED
)
UPDATE {table} AS work
SET lease_owner = $1, lease_until = now() + make_interval(secs => $2),
    fence = work.fence + 1, attempts = work.attempts + 1
FROM free WHERE work.{key} = free_key
RETURNING work.*

-- name: hold_work
-- By primary key; locks the row, so that the fence owns it until the transaction ends.
SELECT 1 FROM {table} WHERE {key} = $1 AND fence = $2 AND lease_owner IS NOT NULL FOR UPDATE

-- name: update_work
-- By primary key; only the fence that owns the row changes it.
UPDATE {table} AS work SET {change}
WHERE {key} = $1 AND fence = $2 AND lease_owner IS NOT NULL
RETURNING 1
