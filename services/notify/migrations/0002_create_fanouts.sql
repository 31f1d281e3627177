-- Publications on their way to the followers of their author. A row stays when it is done, so that a video that is
-- hidden and shown again is not told again.
CREATE TABLE fanouts (
    video_id     uuid        PRIMARY KEY,
    author_id    uuid        NOT NULL,
    video_title  text        NOT NULL,
    announced_at timestamptz NOT NULL,
    status       text        NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'DONE', 'CANCELLED')),
    -- Names the page of followers that comes next; empty for the first.
    page_token   text        NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    lease_owner  text,
    lease_until  timestamptz,
    fence        bigint      NOT NULL DEFAULT 0,
    attempts     int         NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

COMMENT ON COLUMN fanouts.announced_at IS 'When the publication was told; one that is older than a hiding is void.';
COMMENT ON COLUMN fanouts.attempts IS 'Claims since the last page that was written.';

-- Serves the claim: the fan-out that has waited longest comes first, so a large one does not hold up the others.
CREATE INDEX fanouts_pending ON fanouts (next_at) WHERE status = 'PENDING';

-- Videos that were taken back. A deletion is for ever; a hiding voids what was announced before it.
CREATE TABLE withdrawn_videos (
    video_id   uuid        PRIMARY KEY,
    hidden_at  timestamptz,
    deleted_at timestamptz
);
