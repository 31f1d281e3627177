-- without transaction
-- Serves operators, who look at what failed lately, and at all runs of a video.
DROP INDEX CONCURRENTLY IF EXISTS transcode_jobs_failed;
CREATE INDEX CONCURRENTLY transcode_jobs_failed ON transcode_jobs (completed_at) WHERE status = 'FAILED';
DROP INDEX CONCURRENTLY IF EXISTS transcode_runs_job;
CREATE INDEX CONCURRENTLY transcode_runs_job ON transcode_runs (job_id, started_at);
