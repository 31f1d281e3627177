-- Playing.

-- name: find_playable
-- By primary keys; asked on every playlist, so that nothing is played any more once a video is deleted or hidden.
SELECT status, visibility, s3_key AS master_key
FROM videos JOIN video_assets USING (video_id)
WHERE video_id = $1 AND kind = 'HLS'
