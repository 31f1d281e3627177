-- Serves the cancelling of what is pending for a video, in portions and in the order of ids, in which all who lock several
-- deliveries take them.
DROP INDEX deliveries_pending_video;
CREATE INDEX deliveries_pending_video ON deliveries (video_id, delivery_id) WHERE status = 'PENDING';
