-- The videos, in every state. A row stays when its video is deleted: it is the tombstone that keeps late events out.
CREATE TABLE videos (
    video_id            uuid        PRIMARY KEY,
    user_id             uuid        NOT NULL,
    title               text        NOT NULL,
    description         text        NOT NULL,
    category            text        NOT NULL,
    visibility          text        NOT NULL CHECK (visibility IN ('public', 'unlisted', 'private')),
    status              text        NOT NULL CHECK (status IN (
        'DRAFT', 'UPLOADING', 'UPLOADED', 'PROCESSING', 'READY', 'PUBLISHED',
        'PROCESSING_FAILED', 'REJECTED_TOO_LONG', 'REJECTED_FORMAT', 'DELETED')),
    sequence            int         NOT NULL CHECK (sequence > 0),
    generation          int         NOT NULL CHECK (generation > 0),
    created_at          timestamptz NOT NULL,
    changed_at          timestamptz NOT NULL,
    uploaded_at         timestamptz,
    ready_at            timestamptz,
    published_at        timestamptz,
    -- The upload that holds the video; null when it ended without an original.
    upload_id           uuid,
    -- The original: known from UploadCompleted, which may arrive late.
    input_s3_key        text,
    size_bytes          bigint,
    tier                text        CHECK (tier IN ('free', 'verified', 'paid')),
    original_expires_at timestamptz,
    -- Measured by media.
    duration_ms         int,
    width               int,
    height              int,
    fps                 double precision,
    run_ms              int,
    reason_code         text,
    reason_message      text,
    reason_stage        text        CHECK (reason_stage IN ('upload', 'probe', 'transcode')),
    publish_when_ready  boolean     NOT NULL DEFAULT false,
    notify_followers    boolean     NOT NULL DEFAULT true,
    -- When an event or an answer last told something about the video; the job that finds stuck videos looks at it.
    heard_at            timestamptz NOT NULL
);

COMMENT ON COLUMN videos.sequence IS 'Counts the changes of status, from 1, without gaps.';
COMMENT ON COLUMN videos.generation IS 'Which upload or retry this is, from 1; what carries an older one changes nothing.';

-- Serves the job that finds stuck videos: few rows are under way at any time.
CREATE INDEX videos_under_way ON videos (heard_at) WHERE status IN ('UPLOADING', 'UPLOADED', 'PROCESSING');
-- Serves the job that archives what was never finished.
CREATE INDEX videos_unfinished ON videos (created_at)
    WHERE status IN ('DRAFT', 'REJECTED_TOO_LONG', 'REJECTED_FORMAT');
-- Serves the estimate of who waits before whom.
CREATE INDEX videos_waiting ON videos (uploaded_at) INCLUDE (tier) WHERE status = 'UPLOADED';
-- Serves the estimate of how long a transcode takes, from the last ones.
CREATE INDEX videos_ready_at ON videos (ready_at) INCLUDE (run_ms, duration_ms) WHERE run_ms IS NOT NULL;

-- The outputs of the run that made a video READY.
CREATE TABLE video_assets (
    video_id     uuid   NOT NULL REFERENCES videos,
    kind         text   NOT NULL CHECK (kind IN ('MP4_720', 'MP4_480', 'MP4_240', 'HLS', 'THUMB', 'PREVIEW')),
    -- Where the object is, unsigned (s3://bucket/key): nobody can fetch it by this.
    url          text   NOT NULL,
    s3_bucket    text   NOT NULL,
    s3_key       text   NOT NULL,
    content_type text   NOT NULL,
    size_bytes   bigint NOT NULL,
    width        int    NOT NULL,
    height       int    NOT NULL,
    bitrate_bps  int    NOT NULL,
    duration_ms  int    NOT NULL,
    PRIMARY KEY (video_id, kind)
);

-- Which upload holds which generation of which video, so that a repeated claim gets the same answer.
CREATE TABLE video_claims (
    upload_id            uuid        PRIMARY KEY,
    video_id             uuid        NOT NULL REFERENCES videos,
    generation           int         NOT NULL,
    superseded_upload_id uuid,
    claimed_at           timestamptz NOT NULL
);

-- How far a transcode is: lossy, without sequence, in a narrow table of its own so that a video's row stays quiet.
CREATE TABLE video_progress (
    video_id          uuid        PRIMARY KEY,
    generation        int         NOT NULL,
    percent           smallint    NOT NULL CHECK (percent BETWEEN 0 AND 100),
    remaining_seconds int,
    observed_at       timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Everything that happened to a video, written in the transaction in which it happened.
CREATE TABLE video_timeline (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video_id    uuid        NOT NULL REFERENCES videos,
    event       text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    generation  int         NOT NULL,
    -- The status and sequence it led to; null where it changed none.
    status      text,
    sequence    int,
    attempt     int,
    -- Names and values in order: [["duration_ms", "15234"], …].
    facts       jsonb       NOT NULL DEFAULT '[]',
    trace_id    text        NOT NULL DEFAULT '',
    -- Why nothing changed; empty where something did.
    ignored     text        NOT NULL DEFAULT ''
);

CREATE INDEX video_timeline_video ON video_timeline (video_id, id);
