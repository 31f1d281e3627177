-- Jobs and their runs.

-- name: lock_video
-- Creating work and the tombstone exclude each other per video, though neither has a row of the other to lock: whoever
-- comes second sees what the first has written.
SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))

-- name: is_deleted
-- By primary key, under the video's lock.
SELECT EXISTS (SELECT FROM deleted_videos WHERE video_id = $1)

-- name: is_superseded
-- By transcode_jobs_once: a newer generation has come already.
SELECT EXISTS (SELECT FROM transcode_jobs WHERE video_id = $1 AND generation > $2)

-- name: insert_job
-- transcode_jobs_once decides about repeats.
INSERT INTO transcode_jobs (
    job_id, video_id, generation, upload_id, user_id, tier, input_s3_key, size_bytes, queue_rank, traceparent
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() - $9::interval, $10)
ON CONFLICT ON CONSTRAINT transcode_jobs_once DO NOTHING

-- name: cancel_jobs
-- By transcode_jobs_once. Taking the lease away stops a running worker at its next heartbeat and keeps it from
-- announcing anything.
UPDATE transcode_jobs SET status = 'CANCELLED', completed_at = now(), lease_owner = NULL
WHERE video_id = $1 AND generation < $2 AND status IN ('QUEUED', 'PROCESSING')

-- name: lock_job_under_way
-- By primary key; locks the row, for which a run's end waits.
SELECT * FROM transcode_jobs WHERE job_id = $1 AND status IN ('QUEUED', 'PROCESSING') FOR UPDATE

-- name: end_open_runs
-- By transcode_runs_open, under the job's lock.
UPDATE transcode_runs SET outcome = $2, error_code = $3, ended_at = now() WHERE job_id = $1 AND outcome IS NULL

-- name: queue_anew
-- By primary key, under the row's lock. Without an owner no fence holds the job: its worker stops at its next heartbeat.
-- Of a job that is queued the attempt was given back before, though its run may go on outside.
UPDATE transcode_jobs
SET status = 'QUEUED', next_at = now(), lease_owner = NULL, lease_until = NULL,
    attempts = attempts - CASE WHEN status = 'PROCESSING' THEN $2 ELSE 0 END
WHERE job_id = $1

-- name: mark_processing
-- By primary key; the time of the first run stays.
UPDATE transcode_jobs SET status = 'PROCESSING', started_at = coalesce(started_at, now())
WHERE job_id = $1

-- name: queue_again
-- By primary key, after the lease was given back; when it may be claimed was decided by PostgreSQL's clock.
UPDATE transcode_jobs SET status = 'QUEUED' WHERE job_id = $1 RETURNING next_at

-- name: retry_at_once
-- By transcode_jobs_active: as long as the queue.
UPDATE transcode_jobs SET next_at = now() WHERE status = 'QUEUED' AND attempts > 0 AND next_at > now()

-- name: end_job
-- By primary key, under the row's lock. A job that ended has no owner, so no fence holds it any more.
UPDATE transcode_jobs
SET status = $2, error_code = $3, error_message = $4, output_s3_prefix = $5, completed_at = now(), lease_owner = NULL
WHERE job_id = $1

-- name: record_fact
-- By primary key, under the row's lock.
UPDATE transcode_jobs SET last_fact = $2, last_fact_at = now() WHERE job_id = $1

-- name: begin_run
-- One row per attempt.
INSERT INTO transcode_runs (run_id, job_id, attempt, output_s3_prefix) VALUES ($1, $2, $3, $4)

-- name: end_run
-- By primary key. The first outcome stays: a run that won stays won, whatever is thought of it later.
UPDATE transcode_runs
SET outcome = coalesce(outcome, $2), error_code = coalesce(error_code, $3), ended_at = coalesce(ended_at, now())
WHERE run_id = $1
RETURNING outcome

-- name: end_lost_runs
-- By transcode_runs_open: runs whose lease ended without a word, found by the next claim ($2 is its own run). They used
-- no attempt up, because a dead worker says little about the clip; they are counted apart.
WITH lost AS (
    UPDATE transcode_runs SET outcome = 'LOST', ended_at = now(), error_code = 'WORKER_LOST'
    WHERE job_id = $1 AND run_id <> $2 AND outcome IS NULL
    RETURNING run_id
), present AS (
    UPDATE transcode_runs SET attempt = attempt - (SELECT count(*) FROM lost) WHERE run_id = $2
)
UPDATE transcode_jobs
SET attempts = attempts - (SELECT count(*) FROM lost), losses = losses + (SELECT count(*) FROM lost)
WHERE job_id = $1 AND EXISTS (SELECT FROM lost)
RETURNING attempts, losses, now() AS found_at

-- name: find_runs_to_sweep
-- By transcode_runs_to_sweep. The delay outlasts what a worker that lost its lease may still be storing.
SELECT run_id, output_s3_prefix FROM transcode_runs
WHERE outcome <> 'WON' AND swept_at IS NULL AND ended_at < now() - make_interval(secs => $1)
ORDER BY ended_at
LIMIT $2

-- name: end_runs_of_ended_jobs
-- Runs that nobody claims again, because their job was cancelled while their worker died. By
-- transcode_runs_open.
UPDATE transcode_runs AS run SET outcome = 'LOST', ended_at = now(), error_code = 'WORKER_LOST'
FROM transcode_jobs AS job
WHERE run.job_id = job.job_id AND run.outcome IS NULL AND job.lease_owner IS NULL
  AND job.completed_at < now() - make_interval(secs => $1)

-- name: mark_swept
-- By primary keys. A job of a service outside that is not known to have ended may store more, though nobody may be able
-- to cancel it, because its id was lost: for a day its run comes again, each time after the delay.
UPDATE transcode_runs AS run
SET swept_at = CASE WHEN NOT goes_on THEN now() END, ended_at = CASE WHEN goes_on THEN now() ELSE ended_at END
FROM (
    SELECT EXISTS (
        SELECT FROM remote_jobs
        WHERE run_id = $1 AND status IN ('SUBMITTED', 'PROGRESSING') AND submitted_at > now() - interval '1 day'
    ) AS goes_on
) AS remote
WHERE run.run_id = $1

-- name: sweep_later
-- By primary key: to the end of the order in which runs are swept, and not before the delay has passed again.
UPDATE transcode_runs SET ended_at = now() WHERE run_id = $1

-- Runs that a service outside carries out.

-- name: hand_on_run
-- By primary key; a run is handed on once.
INSERT INTO remote_jobs (run_id) VALUES ($1) ON CONFLICT (run_id) DO NOTHING

-- name: find_remote_job
-- By primary key.
SELECT run_id, remote_id, status, percent, error_code, error_message,
       extract(epoch FROM now() - submitted_at)::float8 AS age_seconds,
       extract(epoch FROM now() - heard_at)::float8 AS silent_seconds
FROM remote_jobs WHERE run_id = $1

-- name: record_news
-- By primary key. Repeats and what comes late change nothing: an end stays, and progress does not go back.
UPDATE remote_jobs
SET remote_id = coalesce(remote_id, $2),
    status = CASE WHEN status = 'PROGRESSING' AND $3 = 'SUBMITTED' THEN status ELSE $3 END,
    percent = greatest(percent, $4), error_code = $5, error_message = $6, heard_at = now()
WHERE run_id = $1 AND status IN ('SUBMITTED', 'PROGRESSING') AND coalesce(remote_id, $2) = $2

-- name: take_up_run
-- By transcode_runs_open: a run that was handed on goes on with whoever claims its job next, and uses up no attempt. A
-- worker that gave it back had queued the job again; one that was lost is counted.
UPDATE transcode_jobs AS job
SET attempts = run.attempt, losses = job.losses + (job.status = 'PROCESSING')::int
FROM transcode_runs AS run JOIN remote_jobs USING (run_id)
WHERE job.job_id = $1 AND run.job_id = job.job_id AND run.outcome IS NULL
RETURNING run.run_id, run.attempt, job.losses

-- name: goes_on
-- By primary keys: the next claim of the job takes this run up.
SELECT EXISTS (
    SELECT FROM remote_jobs JOIN transcode_runs AS run USING (run_id) JOIN transcode_jobs AS job USING (job_id)
    WHERE run_id = $1 AND run.outcome IS NULL AND job.status IN ('QUEUED', 'PROCESSING')
)

-- name: take_unwanted
-- By remote_jobs_open, as long as what is known to be under way: jobs whose run has ended without them, or whose
-- transcode is wanted no more. One that is still open a minute after it was to be cancelled comes again.
UPDATE remote_jobs AS remote SET cancel_asked_at = now()
FROM transcode_runs AS run JOIN transcode_jobs AS job USING (job_id)
WHERE remote.run_id = run.run_id AND remote.status IN ('SUBMITTED', 'PROGRESSING') AND remote.remote_id IS NOT NULL
  AND (run.outcome IS NOT NULL OR job.status NOT IN ('QUEUED', 'PROCESSING'))
  AND (remote.cancel_asked_at IS NULL OR remote.cancel_asked_at < now() - interval '1 minute')
RETURNING remote.run_id, remote.remote_id

-- Deleted videos.

-- name: bury_video
-- By primary key; a repeated deletion keeps the first.
INSERT INTO deleted_videos (video_id, user_id) VALUES ($1, $2) ON CONFLICT (video_id) DO NOTHING

-- name: mark_purged
-- By primary key, under the lease. The first purge is repeated after a while, the second one is the last.
UPDATE deleted_videos
SET purged_at = CASE WHEN first_purged_at IS NOT NULL THEN now() END,
    first_purged_at = coalesce(first_purged_at, now()),
    next_at = now() + make_interval(secs => $2),
    lease_owner = NULL,
    lease_until = NULL
WHERE video_id = $1

-- Reads.

-- name: find_last_fact
-- By transcode_jobs_once.
SELECT last_fact, last_fact_at FROM transcode_jobs WHERE video_id = $1 AND generation = $2

-- name: is_job_due
-- By transcode_jobs_active, which is empty when there is nothing to do; the condition is that of the claim.
SELECT EXISTS (
    SELECT FROM transcode_jobs
    WHERE status IN ('QUEUED', 'PROCESSING') AND next_at <= now() AND (lease_until IS NULL OR lease_until <= now())
)

-- name: count_waiting
-- By transcode_jobs_active: as long as the queue, not as the table. A job is due since it was asked for, and one that
-- failed since its pause was over, or not yet.
SELECT tier, count(*) AS depth, greatest(0, extract(epoch FROM now() - min(next_at)))::float8 AS oldest_seconds
FROM transcode_jobs WHERE status = 'QUEUED' GROUP BY tier

-- name: count_completed_lately
-- By transcode_jobs_completed_at.
SELECT count(*) FROM transcode_jobs WHERE status = 'COMPLETED' AND completed_at > now() - interval '1 minute'

-- What operators ask.

-- name: list_jobs
-- Those under way by transcode_jobs_active, in the order of the queue; failed ones by transcode_jobs_failed, the latest
-- first. $2 is a tier, $4 ids, each null for any; $3 seconds since they were asked for.
SELECT * FROM (
    (
        SELECT job_id AS id, video_id, generation, status, tier, created_at, attempts, losses, next_at, lease_owner AS worker,
               error_code
        FROM transcode_jobs
        WHERE status IN ('QUEUED', 'PROCESSING') AND status = ANY ($1) AND ($2::text IS NULL OR tier = $2)
          AND created_at <= now() - make_interval(secs => $3) AND ($4::text[] IS NULL OR job_id::text = ANY ($4))
        ORDER BY queue_rank
        LIMIT $5
    )
    UNION ALL
    (
        SELECT job_id, video_id, generation, status, tier, created_at, attempts, losses, next_at, lease_owner, error_code
        FROM transcode_jobs
        WHERE status = 'FAILED' AND status = ANY ($1) AND ($2::text IS NULL OR tier = $2)
          AND created_at <= now() - make_interval(secs => $3) AND ($4::text[] IS NULL OR job_id::text = ANY ($4))
        ORDER BY completed_at DESC
        LIMIT $5
    )
) AS found
LIMIT $5

-- name: count_jobs
-- By transcode_jobs_active: as long as the queue.
SELECT status, tier, count(*) AS jobs, min(created_at) AS oldest, count(*) FILTER (WHERE attempts > 1) AS tried_before
FROM transcode_jobs WHERE status IN ('QUEUED', 'PROCESSING')
GROUP BY status, tier
ORDER BY status, tier

-- name: count_failures
-- By transcode_jobs_failed.
SELECT error_code, count(*) AS jobs, max(error_message) AS for_example, (array_agg(video_id))[1] AS of_video
FROM transcode_jobs
WHERE status = 'FAILED' AND completed_at > now() - make_interval(secs => $1)
GROUP BY error_code
ORDER BY jobs DESC

-- name: find_jobs_of_video
-- By transcode_jobs_once.
SELECT job_id, generation, upload_id, user_id, tier, input_s3_key, size_bytes, status, error_code, error_message, attempts,
       losses, lease_owner AS worker, lease_until, next_at, created_at, started_at, completed_at, output_s3_prefix
FROM transcode_jobs WHERE video_id = $1
ORDER BY generation DESC
LIMIT $2

-- name: find_runs_of_video
-- By transcode_jobs_once and transcode_runs_job, and the primary key of what was handed on.
SELECT run.run_id, generation, attempt, run.started_at, ended_at, outcome, run.error_code, swept_at, remote_id,
       remote.status AS remote_status
FROM transcode_jobs AS job JOIN transcode_runs AS run USING (job_id) LEFT JOIN remote_jobs AS remote USING (run_id)
WHERE video_id = $1
ORDER BY run.started_at DESC
LIMIT $2

-- name: find_deletion
-- By primary key.
SELECT user_id, deleted_at, first_purged_at, purged_at FROM deleted_videos WHERE video_id = $1
