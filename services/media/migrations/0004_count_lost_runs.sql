ALTER TABLE transcode_jobs ADD COLUMN losses int NOT NULL DEFAULT 0;

COMMENT ON COLUMN transcode_jobs.losses IS
    'Runs that ended with their worker. They are no attempts: a worker mostly dies of something else than a clip.';
