-- without transaction
-- Serves operators, who ask what is still to be deleted of a video: by the beginning of its prefix.
DROP INDEX CONCURRENTLY IF EXISTS purges_prefix;
CREATE INDEX CONCURRENTLY purges_prefix ON purges (prefix COLLATE "C");
