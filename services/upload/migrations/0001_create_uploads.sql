-- The uploads, in every state.
CREATE TABLE uploads (
    upload_id           uuid        PRIMARY KEY,
    video_id            uuid        NOT NULL,
    user_id             uuid        NOT NULL,
    generation          int         NOT NULL CHECK (generation > 0),
    tier                text        NOT NULL CHECK (tier IN ('free', 'verified', 'paid')),
    filename            text        NOT NULL,
    content_type        text        NOT NULL CHECK (content_type IN ('video/mp4', 'video/quicktime')),
    file_size_bytes     bigint      NOT NULL CHECK (file_size_bytes > 0),
    fingerprint         text,
    s3_key              text        NOT NULL,
    s3_upload_id        text        NOT NULL,
    status              text        NOT NULL DEFAULT 'INITIATED' CHECK (status IN (
        'INITIATED', 'IN_PROGRESS', 'COMPLETING', 'COMPLETED', 'ABORTED', 'EXPIRED', 'FAILED')),
    created_at          timestamptz NOT NULL DEFAULT now(),
    expires_at          timestamptz NOT NULL,
    -- The intention to complete: since when, and with which parts, [[number, etag], …].
    completing_at       timestamptz,
    completing_parts    jsonb       NOT NULL DEFAULT '[]',
    completed_at        timestamptz,
    -- When one of the four final states was reached.
    ended_at            timestamptz,
    failure_code        text        CHECK (failure_code IN ('MULTIPART_LOST', 'SIZE_MISMATCH')),
    failure_message     text,
    -- The id of UploadCompleted, to hand the same event to the catalog again, and what the catalog answered to it.
    completed_event_id  uuid,
    catalog_status      text,
    -- The highest sequence of the video that the catalog has answered; 0 if none.
    catalog_sequence    int         NOT NULL DEFAULT 0,
    original_expires_at timestamptz,
    original_deleted_at timestamptz,
    -- The original is read while the generation that a transcode was asked for is above the one that ended.
    wanted_generation   int         NOT NULL,
    settled_generation  int         NOT NULL DEFAULT 0,
    CONSTRAINT uploads_of_video UNIQUE (video_id, generation),
    CONSTRAINT uploads_ended CHECK (
        (status IN ('COMPLETED', 'ABORTED', 'EXPIRED', 'FAILED')) = (ended_at IS NOT NULL)),
    CONSTRAINT uploads_completed CHECK (
        (status = 'COMPLETED') = (completed_at IS NOT NULL)
        AND (status = 'COMPLETED') = (completed_event_id IS NOT NULL)
        AND (status = 'COMPLETED') = (original_expires_at IS NOT NULL)),
    CONSTRAINT uploads_failed CHECK ((status = 'FAILED') = (failure_code IS NOT NULL AND failure_message IS NOT NULL))
);

-- Serves the list of an owner's unfinished uploads, newest first; few rows per owner.
CREATE INDEX uploads_unfinished ON uploads (user_id, created_at, upload_id)
    WHERE status IN ('INITIATED', 'IN_PROGRESS', 'COMPLETING');
-- Serves cleanup_expired_uploads().
CREATE INDEX uploads_by_expiry ON uploads (expires_at) WHERE status IN ('INITIATED', 'IN_PROGRESS');
-- Serves the job that finishes what died while COMPLETING; normally empty.
CREATE INDEX uploads_completing ON uploads (completing_at) WHERE status = 'COMPLETING';
-- Serves the job that deletes old rows without an original.
CREATE INDEX uploads_without_original ON uploads (created_at) WHERE status IN ('ABORTED', 'EXPIRED', 'FAILED');
-- Serves the job that deletes originals whose time is over.
CREATE INDEX uploads_with_original ON uploads (original_expires_at)
    WHERE status = 'COMPLETED' AND original_deleted_at IS NULL;

-- The parts that were signed or that S3 has shown.
CREATE TABLE upload_parts (
    upload_id       uuid        NOT NULL REFERENCES uploads ON DELETE CASCADE,
    part_number     int         NOT NULL CHECK (part_number BETWEEN 1 AND 10000),
    -- As it was signed last.
    content_length  bigint      NOT NULL CHECK (content_length > 0),
    checksum_sha256 text,
    -- What S3 said when it was last asked.
    etag            text,
    is_uploaded     boolean     NOT NULL DEFAULT false,
    signed_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (upload_id, part_number)
);
