-- One row for each transcode that was asked for. Kafka carries the fact, this table carries the work.
CREATE TABLE transcode_jobs (
    job_id           uuid        PRIMARY KEY,
    video_id         uuid        NOT NULL,
    generation       int         NOT NULL CHECK (generation > 0),
    upload_id        uuid        NOT NULL,
    user_id          uuid        NOT NULL,
    tier             text        NOT NULL CHECK (tier IN ('free', 'verified', 'paid')),
    input_s3_key     text        NOT NULL,
    size_bytes       bigint      NOT NULL CHECK (size_bytes >= 0),
    status           text        NOT NULL DEFAULT 'QUEUED'
        CHECK (status IN ('QUEUED', 'PROCESSING', 'COMPLETED', 'FAILED', 'REJECTED', 'CANCELLED')),
    queue_rank       timestamptz NOT NULL,
    traceparent      text,
    error_code       text,
    error_message    text,
    output_s3_prefix text,
    last_fact        bytea,
    last_fact_at     timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    completed_at     timestamptz,
    lease_owner      text,
    lease_until      timestamptz,
    fence            bigint      NOT NULL DEFAULT 0,
    attempts         int         NOT NULL DEFAULT 0,
    next_at          timestamptz NOT NULL DEFAULT now(),
    retry_count      int         GENERATED ALWAYS AS (greatest(attempts - 1, 0)) STORED,
    -- An event that comes again, on whatever way, makes no second job.
    CONSTRAINT transcode_jobs_once UNIQUE (video_id, generation)
) WITH (fillfactor = 70);

COMMENT ON COLUMN transcode_jobs.status IS
    'REJECTED (the original is unacceptable) and CANCELLED (deleted or replaced) are neither successes nor failures.';
COMMENT ON COLUMN transcode_jobs.queue_rank IS
    'created_at less the head start of the tier. The smallest comes first, so a head start is outgrown by waiting.';
COMMENT ON COLUMN transcode_jobs.traceparent IS 'The trace in which the job was asked for; its runs continue it.';
COMMENT ON COLUMN transcode_jobs.output_s3_prefix IS 'Of the run that won.';
COMMENT ON COLUMN transcode_jobs.last_fact IS
    'The latest event about the job, as google.protobuf.Any; what GetJobState answers.';

-- Serves the claim, and the depth of the queue.
CREATE INDEX transcode_jobs_active ON transcode_jobs (queue_rank) WHERE status IN ('QUEUED', 'PROCESSING');
-- Serves the number of jobs finished lately.
CREATE INDEX transcode_jobs_completed_at ON transcode_jobs (completed_at) WHERE status = 'COMPLETED';

-- One row for each attempt, written before the attempt stores its first object: whatever lies below a prefix that
-- did not win can be found here.
CREATE TABLE transcode_runs (
    run_id           uuid        PRIMARY KEY,
    job_id           uuid        NOT NULL REFERENCES transcode_jobs,
    attempt          int         NOT NULL,
    output_s3_prefix text        NOT NULL,
    started_at       timestamptz NOT NULL DEFAULT now(),
    ended_at         timestamptz,
    outcome          text        CHECK (outcome IN ('WON', 'FAILED', 'REJECTED', 'RETURNED', 'LOST')),
    error_code       text,
    swept_at         timestamptz,
    CHECK ((outcome IS NULL) = (ended_at IS NULL))
) WITH (fillfactor = 70);

-- Serves the search for runs that were lost.
CREATE INDEX transcode_runs_open ON transcode_runs (job_id) WHERE outcome IS NULL;
-- Serves the sweep.
CREATE INDEX transcode_runs_to_sweep ON transcode_runs (ended_at) WHERE outcome <> 'WON' AND swept_at IS NULL;
