-- Serves operators, who look at what failed lately, and at all runs of a video.
CREATE INDEX transcode_jobs_failed ON transcode_jobs (completed_at) WHERE status = 'FAILED';
CREATE INDEX transcode_runs_job ON transcode_runs (job_id, started_at);
