-- How far the replica is. No table is read: each server knows its position in the write-ahead log, here in bytes.

-- name: written
-- What is flushed is what the primary sends; what is merely inserted may still be lost.
SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint

-- name: replayed
-- NULL on a server that replays nothing.
SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint
