-- Lists of videos: one keyset query a page, with the keys of the assets whose URLs a list shows.

-- name: list_feed
-- The entries by their primary key backwards, each with its video and its follow by primary key: an entry of a video
-- that was hidden or deleted since, or of an author who is followed no more, is passed over within the query, so a page
-- is full wherever the feed has as many.
SELECT video.video_id, video.user_id, title, category, visibility, status, duration_ms, created_at, entry.published_at,
    (SELECT jsonb_object_agg(kind, s3_key) FROM video_assets AS asset
     WHERE asset.video_id = video.video_id AND kind IN ('THUMB', 'PREVIEW', 'HLS')) AS asset_keys
FROM feed_entries AS entry
JOIN videos AS video ON video.video_id = entry.video_id
JOIN follows AS follow ON follow.follower_id = entry.user_id AND follow.followed_id = entry.author_id
WHERE entry.user_id = $1 AND (entry.published_at, entry.video_id) < ($2, $3)
  AND video.status = 'PUBLISHED' AND video.visibility = 'public'
ORDER BY entry.published_at DESC, entry.video_id DESC
LIMIT $4

-- name: discover
-- By videos_public, backwards from where the page before ended.
SELECT video_id, user_id, title, category, visibility, status, duration_ms, created_at, published_at,
    (SELECT jsonb_object_agg(kind, s3_key) FROM video_assets AS asset
     WHERE asset.video_id = video.video_id AND kind IN ('THUMB', 'PREVIEW', 'HLS')) AS asset_keys
FROM videos AS video
WHERE status = 'PUBLISHED' AND visibility = 'public' AND (published_at, video_id) < ($1, $2)
ORDER BY published_at DESC, video_id DESC
LIMIT $3

-- name: discover_category
-- The same by videos_public_by_category.
SELECT video_id, user_id, title, category, visibility, status, duration_ms, created_at, published_at,
    (SELECT jsonb_object_agg(kind, s3_key) FROM video_assets AS asset
     WHERE asset.video_id = video.video_id AND kind IN ('THUMB', 'PREVIEW', 'HLS')) AS asset_keys
FROM videos AS video
WHERE status = 'PUBLISHED' AND visibility = 'public' AND category = $4 AND (published_at, video_id) < ($1, $2)
ORDER BY published_at DESC, video_id DESC
LIMIT $3

-- name: list_of_author
-- By videos_of_author, backwards from where the page before ended.
SELECT video_id, user_id, title, category, visibility, status, duration_ms, created_at, published_at,
    (SELECT jsonb_object_agg(kind, s3_key) FROM video_assets AS asset
     WHERE asset.video_id = video.video_id AND kind IN ('THUMB', 'PREVIEW', 'HLS')) AS asset_keys
FROM videos AS video
WHERE user_id = $1 AND status = 'PUBLISHED' AND visibility = 'public' AND (published_at, video_id) < ($2, $3)
ORDER BY published_at DESC, video_id DESC
LIMIT $4

-- name: list_own
-- By videos_own, backwards from where the page before ended. The filters pass over rows of one owner, who has hundreds
-- at most.
SELECT video_id, user_id, title, category, visibility, status, duration_ms, created_at, published_at,
    (SELECT jsonb_object_agg(kind, s3_key) FROM video_assets AS asset
     WHERE asset.video_id = video.video_id AND kind IN ('THUMB', 'PREVIEW', 'HLS')) AS asset_keys
FROM videos AS video
WHERE user_id = $1 AND status <> 'DELETED' AND (created_at, video_id) < ($2, $3)
  AND ($5::text IS NULL OR status = $5) AND ($6::text IS NULL OR category = $6)
ORDER BY created_at DESC, video_id DESC
LIMIT $4
