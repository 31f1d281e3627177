-- Which published video is in whose feed. An entry may be out of date: what a feed shows is filtered when it is read.
CREATE TABLE feed_entries (
    user_id      uuid        NOT NULL,
    published_at timestamptz NOT NULL,
    video_id     uuid        NOT NULL,
    author_id    uuid        NOT NULL,
    -- In the order of the feed, so that one index serves both the pages and the question whether an entry exists. A
    -- video is published once, so its time never changes.
    PRIMARY KEY (user_id, published_at, video_id)
);

-- Videos whose entries do not agree with them yet: published ones enter the feeds of their author's followers, hidden
-- and deleted ones leave them, a page of followers at a time.
CREATE TABLE feed_fanouts (
    video_id     uuid        PRIMARY KEY REFERENCES videos,
    author_id    uuid        NOT NULL,
    published_at timestamptz NOT NULL,
    status       text        NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'DONE')),
    -- The last follower of the page before: the next page begins after it.
    after_time   timestamptz NOT NULL,
    after_id     uuid        NOT NULL,
    lease_owner  text,
    lease_until  timestamptz,
    fence        bigint      NOT NULL DEFAULT 0,
    attempts     int         NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

COMMENT ON COLUMN feed_fanouts.attempts IS 'Claims since the last page that was done.';

-- Serves the claim: what has waited longest comes first, so an author with many followers does not hold up the others.
CREATE INDEX feed_fanouts_pending ON feed_fanouts (next_at) WHERE status = 'PENDING';
