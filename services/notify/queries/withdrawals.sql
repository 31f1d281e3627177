-- Deliveries that are cancelled. Without its owner a present claim is void (chassis/leases): who is just trying such a
-- delivery writes nothing down about it any more. They are locked in the order of their ids, as everywhere, so that two
-- that cancel never wait for each other crosswise.

-- name: cancel_of_video
-- By deliveries_pending_video, in portions, so that no statement runs long: a publication has as many as its author has
-- followers. One that ended meanwhile stays as it ended.
WITH ending AS (
    SELECT delivery_id FROM deliveries
    WHERE video_id = $1 AND kind = ANY ($2) AND status = 'PENDING'
    ORDER BY delivery_id LIMIT $3 FOR UPDATE
)
UPDATE deliveries SET status = 'CANCELLED', ended_at = now(), lease_owner = NULL, lease_until = NULL
FROM ending WHERE deliveries.delivery_id = ending.delivery_id

-- name: cancel_of_authors
-- By deliveries_pending_actor.
WITH ending AS (
    SELECT delivery_id FROM deliveries
    WHERE user_id = $1 AND actor_user_id = ANY ($2) AND kind = 'video_published' AND status = 'PENDING'
    ORDER BY delivery_id FOR UPDATE
)
UPDATE deliveries SET status = 'CANCELLED', ended_at = now(), lease_owner = NULL, lease_until = NULL
FROM ending WHERE deliveries.delivery_id = ending.delivery_id

-- name: cancel_of_channels
-- By deliveries_pending_actor, all that are pending for the user.
WITH ending AS (
    SELECT delivery_id FROM deliveries
    WHERE user_id = $1 AND status = 'PENDING'
      AND (kind, CASE vendor WHEN 'web_push' THEN 'web_push' ELSE 'mobile_push' END)
          IN (SELECT * FROM unnest($2::text[], $3::text[]))
    ORDER BY delivery_id FOR UPDATE
)
UPDATE deliveries SET status = 'CANCELLED', ended_at = now(), lease_owner = NULL, lease_until = NULL
FROM ending WHERE deliveries.delivery_id = ending.delivery_id
