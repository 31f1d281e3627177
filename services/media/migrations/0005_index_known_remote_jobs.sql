-- A run that was never submitted, or whose job never became known, stays open for ever; without an id there is nothing
-- to cancel, and the search for what is unwanted need not pass it by.
DROP INDEX remote_jobs_open;
CREATE INDEX remote_jobs_open ON remote_jobs (run_id)
    WHERE status IN ('SUBMITTED', 'PROGRESSING') AND remote_id IS NOT NULL;
