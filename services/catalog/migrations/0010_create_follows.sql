-- Who follows whom.
CREATE TABLE follows (
    follower_id uuid        NOT NULL,
    followed_id uuid        NOT NULL CHECK (followed_id <> follower_id),
    followed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (follower_id, followed_id)
);

-- Serves the pages of a user's followers, and the fan-out of a publication along them.
CREATE INDEX follows_followers ON follows (followed_id, followed_at, follower_id);
-- Serves the pages of whom a user follows.
CREATE INDEX follows_following ON follows (follower_id, followed_at, followed_id);
