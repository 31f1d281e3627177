-- Reads of single videos for their owners and viewers: no locks.

-- name: read_status
-- By primary key; asked for with its owner, so that somebody else's video does not exist. The narrow progress row is
-- joined by its primary key and only counts for the present generation.
SELECT v.*, p.percent, p.remaining_seconds, p.observed_at
FROM videos v
LEFT JOIN video_progress p ON p.video_id = v.video_id AND p.generation = v.generation
WHERE v.video_id = $1 AND v.user_id = $2

-- name: read_statuses
-- The same of however many videos, for polls that share a query and for watchers: each with its own owner.
SELECT v.*, p.percent, p.remaining_seconds, p.observed_at
FROM unnest($1::uuid[], $2::uuid[]) AS asked (video_id, user_id)
JOIN videos v ON v.video_id = asked.video_id AND v.user_id = asked.user_id
LEFT JOIN video_progress p ON p.video_id = v.video_id AND p.generation = v.generation

-- name: read_visible_video
-- By primary key; the rule of domain.video.is_visible as a condition, so that what may not be seen does not exist.
SELECT * FROM videos
WHERE video_id = $1 AND (user_id = $2 OR (status = 'PUBLISHED' AND visibility <> 'private'))

-- name: read_timeline
-- By the index on (video_id, id). A thousand entries are a hundred uploads; the latest are the ones that are asked for.
SELECT event, occurred_at, generation, status, sequence, attempt, facts, trace_id, ignored
FROM video_timeline
WHERE video_id = $1
ORDER BY id DESC
LIMIT 1000

-- name: owns_video
-- By primary key.
SELECT EXISTS (SELECT FROM videos WHERE video_id = $1 AND user_id = $2)

-- name: read_queue
-- By the partial index on what waits, which holds nothing else; whoever is behind a thousand others needs no exact place.
SELECT coalesce(tier, 'free') AS tier, uploaded_at, size_bytes FROM videos
WHERE status = 'UPLOADED' AND uploaded_at IS NOT NULL
ORDER BY uploaded_at
LIMIT 1000

-- name: read_running
-- By the partial index on what is under way, which holds little else, and the progress rows' primary key.
SELECT v.changed_at, v.duration_ms, v.size_bytes, p.percent, p.remaining_seconds, p.observed_at
FROM videos v
LEFT JOIN video_progress p ON p.video_id = v.video_id AND p.generation = v.generation
WHERE v.status = 'PROCESSING'
LIMIT 1000

-- name: read_pace
-- By the index on ready_at, without touching the table: medians, because one slow run says little about the next.
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY run_ms) AS typical_run_ms,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY run_ms::float8 / duration_ms)
           FILTER (WHERE duration_ms > 0) AS ms_per_clip_ms,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY run_ms::float8 / size_bytes)
           FILTER (WHERE size_bytes > 0) AS ms_per_byte
FROM (SELECT run_ms, duration_ms, size_bytes FROM videos WHERE run_ms IS NOT NULL ORDER BY ready_at DESC LIMIT 50) AS recent
