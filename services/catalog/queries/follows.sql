-- Who follows whom.

-- name: add_follow
-- A repeat changes nothing, so that the follow keeps its time.
INSERT INTO follows (follower_id, followed_id) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: remove_follow
-- By primary key.
DELETE FROM follows WHERE follower_id = $1 AND followed_id = $2

-- name: list_followers
-- By follows_followers, backwards from where the page before ended.
SELECT follower_id AS user_id, followed_at FROM follows
WHERE followed_id = $1 AND (followed_at, follower_id) < ($2, $3)
ORDER BY followed_at DESC, follower_id DESC
LIMIT $4

-- name: list_following
-- By follows_following, backwards from where the page before ended.
SELECT followed_id AS user_id, followed_at FROM follows
WHERE follower_id = $1 AND (followed_at, followed_id) < ($2, $3)
ORDER BY followed_at DESC, followed_id DESC
LIMIT $4
