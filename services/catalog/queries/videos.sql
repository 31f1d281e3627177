-- Videos inside a transaction: what commands and events read and write.

-- name: lock_video
-- By primary key; every change of a video begins here, so changes of one video are in one order. Deleted ones too: they
-- are the tombstones.
SELECT * FROM videos WHERE video_id = $1 FOR UPDATE

-- name: find_assets
-- By the head of the primary key, in its order.
SELECT kind, s3_bucket, s3_key, content_type, size_bytes, width, height, bitrate_bps, duration_ms
FROM video_assets WHERE video_id = $1 ORDER BY kind
