-- The statements on chassis' own tables (chassis/migrations). A schema has one set of them.

-- name: insert_outbox
-- All events of a transaction in one round trip; the identity column numbers them in the order of the arrays.
INSERT INTO outbox (topic, key, headers, data)
SELECT topic, key, headers, data
FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::bytea[]) WITH ORDINALITY AS event (topic, key, headers, data, position)
ORDER BY position
