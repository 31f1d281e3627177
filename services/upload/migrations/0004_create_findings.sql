-- What the reconciler has found: S3 holds it and nobody knows it, or a row says that S3 holds it and it is gone. A row
-- stays until a later run has ended what it tells of, or has found that it is so no more.
CREATE TABLE reconcile_findings (
    finding_id    uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    kind          text        NOT NULL CHECK (
        kind IN ('unknown_object', 'unknown_multipart', 'lost_original', 'lost_multipart')),
    s3_key        text        NOT NULL,
    -- Empty for objects.
    s3_upload_id  text        NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT reconcile_findings_once UNIQUE (kind, s3_key, s3_upload_id)
);

-- Serves the count of what is due.
CREATE INDEX reconcile_findings_first_seen ON reconcile_findings (first_seen_at);

-- How far a run has come through S3 or the tables: the next one goes on there if it died. No row: from the beginning.
CREATE TABLE reconcile_walks (
    walk     text        PRIMARY KEY CHECK (walk IN ('multiparts', 'objects', 'uploads')),
    position text        NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT now()
);

-- Serves the reconciler, which reads the rows beside S3's listing, in S3's order: that of the bytes.
CREATE INDEX uploads_originals_by_key ON uploads (s3_key COLLATE "C")
    WHERE status = 'COMPLETED' AND original_deleted_at IS NULL;
