-- Serves the list of own videos.
CREATE INDEX videos_own ON videos (user_id, created_at, video_id) WHERE status <> 'DELETED';
-- Serves the list of a user's videos, and what enters a new follower's feed.
CREATE INDEX videos_of_author ON videos (user_id, published_at, video_id)
    WHERE status = 'PUBLISHED' AND visibility = 'public';
-- Serve discovery, with and without a category.
CREATE INDEX videos_public ON videos (published_at, video_id) WHERE status = 'PUBLISHED' AND visibility = 'public';
CREATE INDEX videos_public_by_category ON videos (category, published_at, video_id)
    WHERE status = 'PUBLISHED' AND visibility = 'public';
