-- Videos inside a transaction: what commands and events read and write.

-- name: find_video
-- By primary key, without a lock: for who only tells where the video stands.
SELECT * FROM videos WHERE video_id = $1

-- name: lock_video
-- By primary key; every change of a video begins here, so changes of one video are in one order. Deleted ones too: they
-- are the tombstones.
SELECT * FROM videos WHERE video_id = $1 FOR UPDATE

-- name: lock_own_video
-- By primary key; the owner is part of the condition, so that somebody else's video does not exist.
SELECT * FROM videos WHERE video_id = $1 AND user_id = $2 FOR UPDATE

-- name: insert_video
-- Nothing comes back when the id is taken: by the other of two claims at once, or by somebody else.
INSERT INTO videos (
    video_id, user_id, title, description, category, visibility, status, sequence, generation, created_at, changed_at,
    upload_id, heard_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now())
ON CONFLICT (video_id) DO NOTHING
RETURNING video_id

-- name: save_video
-- By primary key, on a row that the transaction has locked: everything that may change, whatever did. When something was
-- heard is compared with PostgreSQL's clock, so it is told by that clock and not by the process'.
UPDATE videos SET
    title = $2, description = $3, category = $4, visibility = $5, status = $6, sequence = $7, generation = $8,
    changed_at = $9, heard_at = CASE WHEN heard_at = $10 THEN heard_at ELSE now() END, upload_id = $11, input_s3_key = $12, size_bytes = $13, tier = $14,
    original_expires_at = $15, duration_ms = $16, width = $17, height = $18, fps = $19, run_ms = $20,
    reason_code = $21, reason_message = $22, reason_stage = $23, publish_when_ready = $24, notify_followers = $25,
    uploaded_at = $26, ready_at = $27, published_at = $28, original_upload_id = $29, original_gone = $30
WHERE video_id = $1

-- name: find_assets
-- By the head of the primary key, in its order.
SELECT kind, s3_bucket, s3_key, content_type, size_bytes, width, height, bitrate_bps, duration_ms
FROM video_assets WHERE video_id = $1 ORDER BY kind

-- name: delete_assets
-- By the head of the primary key.
DELETE FROM video_assets WHERE video_id = $1

-- name: insert_assets
-- All outputs in one round trip.
INSERT INTO video_assets (
    video_id, kind, url, s3_bucket, s3_key, content_type, size_bytes, width, height, bitrate_bps, duration_ms
)
SELECT $1, kind, 's3://' || s3_bucket || '/' || s3_key, s3_bucket, s3_key, content_type, size_bytes, width, height,
       bitrate_bps, duration_ms
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::int[], $8::int[], $9::int[], $10::int[])
    AS asset (kind, s3_bucket, s3_key, content_type, size_bytes, width, height, bitrate_bps, duration_ms)

-- name: insert_timeline_entry
-- Entries are only ever added.
INSERT INTO video_timeline (
    video_id, event, occurred_at, generation, status, sequence, attempt, facts, trace_id, ignored
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: find_claim
-- By primary key.
SELECT generation FROM video_claims WHERE upload_id = $1

-- name: keep_claim
-- By primary key. An upload claims a second time when its first claim was taken for one that was left behind.
INSERT INTO video_claims (upload_id, video_id, generation, claimed_at) VALUES ($1, $2, $3, now())
ON CONFLICT (upload_id) DO UPDATE SET generation = excluded.generation, claimed_at = excluded.claimed_at

-- name: note_progress
-- One row a video, by primary key. Several instances get the same signal: the condition lets one of them write. The
-- video must be in this generation and under way, so nothing comes back after its end.
INSERT INTO video_progress AS known (video_id, generation, percent, remaining_seconds, observed_at)
SELECT video_id, generation, $3, $4, $5 FROM videos
WHERE video_id = $1 AND generation = $2 AND status IN ('UPLOADING', 'UPLOADED', 'PROCESSING')
ON CONFLICT (video_id) DO UPDATE
SET generation = excluded.generation,
    percent = CASE
        WHEN known.generation = excluded.generation THEN greatest(known.percent, excluded.percent)
        ELSE excluded.percent
    END,
    remaining_seconds = excluded.remaining_seconds,
    observed_at = excluded.observed_at
WHERE known.generation < excluded.generation
   OR known.percent < excluded.percent
   OR known.observed_at < excluded.observed_at - interval '2 seconds'

-- name: find_quiet_videos
-- By the partial index on heard_at, which holds only what is under way. UPLOADING counts from the start of the upload,
-- because parts tell nothing; the others from the last claim, fact or answer.
SELECT video_id, generation, status, input_s3_key IS NOT NULL AS has_original, heard_at FROM videos
WHERE (status IN ('UPLOADING', 'UPLOADED', 'PROCESSING') OR (status = 'DRAFT' AND upload_id IS NOT NULL))
  AND heard_at < now() - $2::interval
  AND (status <> 'UPLOADING' OR changed_at < now() - $1::interval)
  AND (status <> 'DRAFT' OR heard_at < now() - $4::interval)
ORDER BY heard_at
LIMIT $3

-- name: ask_later
-- By primary key: to the end of the order in which quiet videos are asked after.
UPDATE videos SET heard_at = now() WHERE video_id = $1

-- name: now
-- The clock with which times that PostgreSQL wrote are compared.
SELECT now()

-- name: find_abandoned_videos
-- By the partial index on created_at. A draft that was claimed again today is about to be uploaded, and one that still
-- has the original of an earlier upload may be retried.
SELECT video_id FROM videos
WHERE status IN ('DRAFT', 'REJECTED_TOO_LONG', 'REJECTED_FORMAT')
  AND created_at < now() - $1::interval
  AND heard_at < now() - interval '1 day'
  AND (status <> 'DRAFT' OR original_gone OR original_expires_at IS NULL OR original_expires_at < now())
ORDER BY created_at
LIMIT $2
