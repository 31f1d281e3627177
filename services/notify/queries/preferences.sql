-- What users want to be told. A row is something that is not told; what is told has none.

-- name: lock_preferences
-- Until the transaction ends, so that of two replacements one comes after the other as a whole.
SELECT pg_advisory_xact_lock(hashtextextended('preferences ' || $1::uuid, 0))

-- name: drop_preferences
-- By primary key, all of the user.
DELETE FROM preferences WHERE user_id = $1

-- name: add_preferences
-- A few rows, under the lock.
INSERT INTO preferences (user_id, kind, channel, enabled)
SELECT $1, kind, channel, false FROM unnest($2::text[], $3::text[]) AS one (kind, channel)

-- name: unmute_others
-- By primary key, all of the user but those named, who keep their time.
DELETE FROM muted_authors WHERE user_id = $1 AND author_id <> ALL ($2::uuid[])

-- name: mute
-- By primary key; tells those that were not muted before.
INSERT INTO muted_authors (user_id, author_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING RETURNING author_id

-- name: read_preferences
-- By primary key.
SELECT kind, channel FROM preferences WHERE user_id = $1 AND NOT enabled

-- name: read_muted_authors
-- By primary key.
SELECT author_id FROM muted_authors WHERE user_id = $1
