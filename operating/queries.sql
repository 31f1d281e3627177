-- What operators look at and decide in the chassis' own tables, of which a schema has one set.

-- name: outbox_lag
-- By primary key, the oldest first; what is behind 100,000 rows needs no exact number.
SELECT topic, count(*) AS rows, extract(epoch FROM now() - min(created_at))::int AS oldest_seconds,
       count(set_aside_reason) AS set_aside
FROM (SELECT topic, created_at, set_aside_reason FROM outbox ORDER BY id LIMIT 100000) AS waiting
GROUP BY topic
ORDER BY topic

-- name: list_set_aside
-- By the partial index, which is empty as a rule. $1 are ids, or null for all; $2 is part of the reason.
SELECT id, topic, key, headers ->> 'ce_type' AS event_type, set_aside_reason AS reason, created_at FROM outbox
WHERE set_aside_reason IS NOT NULL AND ($1::text[] IS NULL OR id::text = ANY ($1)) AND strpos(set_aside_reason, $2) > 0
ORDER BY id
LIMIT $3

-- name: list_outbox_of_key
-- By primary key through the whole outbox, which is short as a rule; of a long one its first 100,000 rows.
SELECT id, topic, headers ->> 'ce_type' AS event_type, set_aside_reason, created_at
FROM (SELECT * FROM outbox ORDER BY id LIMIT 100000) AS waiting
WHERE key = $1
LIMIT $2

-- name: find_outbox_row
-- By primary key.
SELECT id, topic, key, set_aside_reason AS reason, created_at, headers, data FROM outbox WHERE id = $1

-- name: retry_set_aside
-- By primary key; what the relay tries again by itself at this moment is not set aside.
UPDATE outbox SET set_aside_reason = NULL WHERE id = $1 AND set_aside_reason IS NOT NULL RETURNING id

-- name: drop_set_aside
-- By primary key; what the relay tries again by itself at this moment is not set aside, and may be in Kafka already.
DELETE FROM outbox WHERE id = $1 AND set_aside_reason IS NOT NULL RETURNING id

-- name: take_letter
-- Of the session, because what is done meanwhile takes longer than a transaction may be idle. Ids begin with the context.
SELECT pg_try_advisory_lock(hashtextextended('dead letter ' || $1, 0))

-- name: give_letter_back
-- Of the same session; one that was lost has given it back.
SELECT pg_advisory_unlock(hashtextextended('dead letter ' || $1, 0))

-- name: begin_operator_action
-- Before it is done, in a transaction of its own: what fails or is interrupted was begun all the same.
INSERT INTO operator_actions (operator, action, subject, reason) VALUES ($1, $2, $3, $4) RETURNING id

-- name: end_operator_action
-- By primary key; the first end stays.
UPDATE operator_actions SET ended_at = now(), outcome = $2 WHERE id = $1 AND outcome IS NULL

-- name: list_operator_actions
-- By primary key, backwards.
SELECT id, begun_at, operator, action, subject, reason, outcome FROM operator_actions ORDER BY id DESC LIMIT $1

-- What every process tells (operating/observe).

-- name: observe_outbox
-- By primary key from the lowest id on; bounded, because an outbox grows while Kafka is away.
SELECT count(*) FILTER (WHERE set_aside_reason IS NULL) AS unsent,
       count(*) FILTER (WHERE set_aside_reason IS NOT NULL) AS set_aside,
       coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE set_aside_reason IS NULL)), 0)::float8 AS age
FROM (SELECT created_at, set_aside_reason FROM outbox ORDER BY id LIMIT 100000) AS waiting

-- What a process looks for before it can work (operating/needs).

-- name: list_applied_migrations
-- By primary key: as many as there are files.
SELECT name FROM schema_migrations ORDER BY scope, version

-- name: list_barred_tables
-- No table is read: rights are given to all tables of a schema together, so those of chassis speak for the others.
SELECT name FROM unnest(ARRAY ['outbox', 'inbox', 'idempotency_keys']) AS name
WHERE NOT (has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')
           AND has_table_privilege(name, 'UPDATE') AND has_table_privilege(name, 'DELETE'))
