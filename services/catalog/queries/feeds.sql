-- The entries of feeds, and the work of keeping them in agreement with the videos.

-- name: fill_feed
-- The author's latest by videos_of_author; those that a fan-out has brought already stay.
INSERT INTO feed_entries (user_id, published_at, video_id, author_id)
SELECT $1, published_at, video_id, user_id FROM videos
WHERE user_id = $2 AND status = 'PUBLISHED' AND visibility = 'public'
ORDER BY published_at DESC, video_id DESC
LIMIT $3
ON CONFLICT DO NOTHING

-- name: clear_feed
-- The author's videos by videos_of_author, each entry by primary key: no index on the author has to be kept for this.
-- Entries of videos that are hidden at this moment are not found; their own fan-out takes them out.
DELETE FROM feed_entries AS entry
USING videos AS video
WHERE video.user_id = $2 AND video.status = 'PUBLISHED' AND video.visibility = 'public'
  AND entry.user_id = $1 AND entry.published_at = video.published_at AND entry.video_id = video.video_id

-- name: start_feed_fanout
-- Begins again where there was one, under way or done; without its owner a present claim is void (chassis/leases).
INSERT INTO feed_fanouts (video_id, author_id, published_at, after_time, after_id, trace) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (video_id) DO UPDATE
SET status = 'PENDING', after_time = excluded.after_time, after_id = excluded.after_id, trace = excluded.trace,
    attempts = 0, lease_owner = NULL, lease_until = NULL, next_at = now()

-- name: restart_feed_fanout
-- By primary key.
UPDATE feed_fanouts
SET status = 'PENDING', after_time = $2, after_id = $3, trace = $4, attempts = 0, lease_owner = NULL, lease_until = NULL,
    next_at = now()
WHERE video_id = $1

-- name: belongs_in_feeds
-- By primary key.
SELECT status = 'PUBLISHED' AND visibility = 'public' FROM videos WHERE video_id = $1

-- name: add_entries
-- The next followers by follows_followers, their entries in the same statement. Comes back with the last follower of a
-- full page, and with nothing at the end.
WITH page AS (
    SELECT follower_id, followed_at FROM follows
    WHERE followed_id = $1 AND (followed_at, follower_id) < ($2, $3)
    ORDER BY followed_at DESC, follower_id DESC
    LIMIT $4
), entered AS (
    INSERT INTO feed_entries (user_id, published_at, video_id, author_id)
    SELECT follower_id, $5, $6, $1 FROM page
    ON CONFLICT DO NOTHING
)
SELECT followed_at, follower_id FROM page ORDER BY followed_at DESC, follower_id DESC OFFSET $4 - 1

-- name: remove_entries
-- The same way, each entry by primary key.
WITH page AS (
    SELECT follower_id, followed_at FROM follows
    WHERE followed_id = $1 AND (followed_at, follower_id) < ($2, $3)
    ORDER BY followed_at DESC, follower_id DESC
    LIMIT $4
), left_feeds AS (
    DELETE FROM feed_entries AS entry
    USING page
    WHERE entry.user_id = page.follower_id AND entry.published_at = $5 AND entry.video_id = $6
)
SELECT followed_at, follower_id FROM page ORDER BY followed_at DESC, follower_id DESC OFFSET $4 - 1

-- name: advance_feed_fanout
-- By primary key, of a row that is locked; back to the end of the queue, so that fan-outs take turns page by page.
UPDATE feed_fanouts
SET after_time = $2, after_id = $3, attempts = 0, lease_owner = NULL, lease_until = NULL, next_at = now()
WHERE video_id = $1

-- name: finish_feed_fanout
-- By primary key, of a row that is locked.
UPDATE feed_fanouts SET status = 'DONE', lease_owner = NULL, lease_until = NULL WHERE video_id = $1
