-- Deleted videos, for ever: looked at in each transaction that would create work for one.
CREATE TABLE deleted_videos (
    video_id   uuid        PRIMARY KEY,
    deleted_at timestamptz NOT NULL DEFAULT now()
);

-- Prefixes of S3 that are to be emptied of objects and multipart uploads: claimed work, a row is deleted when done.
CREATE TABLE purges (
    purge_id    uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    prefix      text        NOT NULL CHECK (prefix LIKE 'uploads/%/'),
    -- How the upload ended (late: its object appeared after that), what became of its original, or of the whole video.
    reason      text        NOT NULL
        CHECK (reason IN ('aborted', 'expired', 'failed', 'late', 'rejected', 'outlived', 'deleted')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    lease_owner text,
    lease_until timestamptz,
    fence       bigint      NOT NULL DEFAULT 0,
    attempts    int         NOT NULL DEFAULT 0,
    next_at     timestamptz NOT NULL DEFAULT now()
);

-- Serves the claims; all rows are open.
CREATE INDEX purges_next_at ON purges (next_at);

-- Ends up to `p_limit` active uploads that outlived their time, orders what S3 holds of them to be purged, and returns
-- their ids, so that UploadExpired is emitted in the same transaction. An upload whose row is locked is being completed
-- or aborted at this moment and is left to the next run; one that is COMPLETING is never touched.
CREATE FUNCTION cleanup_expired_uploads(p_limit int DEFAULT 500) RETURNS SETOF uuid
LANGUAGE sql
SET search_path FROM CURRENT
AS $$
    WITH overdue AS (
        SELECT upload_id FROM uploads
        WHERE status IN ('INITIATED', 'IN_PROGRESS') AND expires_at <= now()
        ORDER BY expires_at
        LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    ), expired AS (
        UPDATE uploads SET status = 'EXPIRED', ended_at = now()
        FROM overdue WHERE uploads.upload_id = overdue.upload_id
        RETURNING uploads.upload_id, uploads.s3_key
    ), purge AS (
        INSERT INTO purges (prefix, reason)
        SELECT regexp_replace(s3_key, '[^/]+$', ''), 'expired' FROM expired
    )
    SELECT upload_id FROM expired
$$;
