-- What operators ask. Nothing of it reads what people wrote: titles and descriptions.

-- name: list_not_ready
-- By videos_not_ready, the latest first. $3 is a reason's code, or null for any.
SELECT video_id AS id, user_id, generation, status, reason_code, reason_message, changed_at, original_expires_at,
       original_gone
FROM videos
WHERE status IN ('PROCESSING_FAILED', 'REJECTED_TOO_LONG', 'REJECTED_FORMAT')
  AND status = $1 AND changed_at > now() - make_interval(secs => $2) AND ($3::text IS NULL OR reason_code = $3)
ORDER BY changed_at DESC
LIMIT $4

-- name: count_not_ready
-- By videos_not_ready; the example is one of them.
SELECT status, reason_code, reason_message, count(*) AS videos, (array_agg(video_id))[1] AS for_example
FROM videos
WHERE status IN ('PROCESSING_FAILED', 'REJECTED_TOO_LONG', 'REJECTED_FORMAT')
  AND changed_at > now() - make_interval(secs => $1)
GROUP BY status, reason_code, reason_message
ORDER BY videos DESC
LIMIT $2

-- name: find_failed
-- By primary key.
SELECT video_id AS id, user_id, generation, status, reason_code, reason_message, changed_at, original_expires_at,
       original_gone
FROM videos WHERE video_id = ANY ($1) AND status = 'PROCESSING_FAILED'

-- name: show_video
-- By primary key, and that of the progress.
SELECT video_id, user_id, status, sequence, generation, visibility, category, publish_when_ready, reason_code,
       reason_message, reason_stage, created_at, changed_at, heard_at, uploaded_at, ready_at, published_at, upload_id,
       input_s3_key, size_bytes, tier, original_expires_at, original_gone, duration_ms, width, height, fps, run_ms,
       p.percent, p.observed_at AS percent_observed_at
FROM videos LEFT JOIN video_progress AS p USING (video_id, generation)
WHERE video_id = $1

-- name: show_timeline
-- By the index on (video_id, id), backwards. What its owner wrote about it is left out.
SELECT occurred_at, event, generation, status, sequence, attempt, ignored, trace_id,
       CASE WHEN event <> 'UpdateVideo' THEN facts END AS facts
FROM video_timeline
WHERE video_id = $1
ORDER BY id DESC
LIMIT $2

-- name: show_fanout
-- By primary key.
SELECT status, attempts, next_at, lease_owner AS worker FROM feed_fanouts WHERE video_id = $1
