-- without transaction
-- Serves operators, who look at what failed or was refused lately.
DROP INDEX CONCURRENTLY IF EXISTS videos_not_ready;
CREATE INDEX CONCURRENTLY videos_not_ready ON videos (status, changed_at)
    WHERE status IN ('PROCESSING_FAILED', 'REJECTED_TOO_LONG', 'REJECTED_FORMAT');
