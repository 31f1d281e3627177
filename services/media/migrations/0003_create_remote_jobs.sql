-- Runs that a service outside carries out, and the last that was heard of them. The row is written before the service is
-- asked, so that its first event finds it; a run that has a row outlives the worker that began it.
CREATE TABLE remote_jobs (
    run_id          uuid        PRIMARY KEY REFERENCES transcode_runs,
    remote_id       text        UNIQUE,
    status          text        NOT NULL DEFAULT 'SUBMITTED'
        CHECK (status IN ('SUBMITTED', 'PROGRESSING', 'COMPLETE', 'ERROR', 'CANCELED')),
    percent         int         NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 100),
    error_code      int,
    error_message   text,
    submitted_at    timestamptz NOT NULL DEFAULT now(),
    heard_at        timestamptz NOT NULL DEFAULT now(),
    cancel_asked_at timestamptz
) WITH (fillfactor = 70);

COMMENT ON COLUMN remote_jobs.remote_id IS
    'The id at the service: of its answer, or of its first event where the answer was lost.';

-- Serves the search for jobs that nobody wants any more.
CREATE INDEX remote_jobs_open ON remote_jobs (run_id) WHERE status IN ('SUBMITTED', 'PROGRESSING');
