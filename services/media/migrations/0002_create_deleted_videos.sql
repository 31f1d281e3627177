-- Tombstones: a deleted video gets no work any more, and its outputs are purged; twice, the second time when nothing
-- that ran at the deletion can still store an object.
CREATE TABLE deleted_videos (
    video_id        uuid        PRIMARY KEY,
    user_id         uuid        NOT NULL,
    deleted_at      timestamptz NOT NULL DEFAULT now(),
    first_purged_at timestamptz,
    purged_at       timestamptz,
    lease_owner     text,
    lease_until     timestamptz,
    fence           bigint      NOT NULL DEFAULT 0,
    attempts        int         NOT NULL DEFAULT 0,
    next_at         timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

-- Serves the claim of purges.
CREATE INDEX deleted_videos_to_purge ON deleted_videos (next_at) WHERE purged_at IS NULL;
