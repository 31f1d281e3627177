-- The pace of recent runs is read from the index alone, now also by the size of what they were given.
DROP INDEX videos_ready_at;
CREATE INDEX videos_ready_at ON videos (ready_at) INCLUDE (run_ms, duration_ms, size_bytes) WHERE run_ms IS NOT NULL;
