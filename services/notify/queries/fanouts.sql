-- Publications on their way to followers, and the videos that were deleted.

-- name: is_deleted
-- By primary key.
SELECT EXISTS (SELECT FROM deleted_videos WHERE video_id = $1)

-- name: delete_video
-- A tombstone, for ever.
INSERT INTO deleted_videos (video_id) VALUES ($1) ON CONFLICT DO NOTHING

-- name: start_fanout
-- A cancelled one begins again with the first page: the ledger knows whom it has told. One that is under way or done
-- stays as it is.
INSERT INTO fanouts (video_id, author_id, video_title, trace) VALUES ($1, $2, $3, $4)
ON CONFLICT (video_id) DO UPDATE
SET status = 'PENDING', page_token = '', video_title = excluded.video_title, trace = excluded.trace, attempts = 0, next_at = now()
WHERE fanouts.status = 'CANCELLED'

-- name: cancel_fanout
-- By primary key; without its owner the claim is void (chassis/leases). Waits for a page that is being written, because
-- that transaction holds the row.
UPDATE fanouts SET status = 'CANCELLED', lease_owner = NULL, lease_until = NULL
WHERE video_id = $1 AND status = 'PENDING'

-- name: wait_for_pages
-- By fanouts_pending_author: whoever writes a page holds its row. In the order of their ids, so that two who wait never
-- do so crosswise.
SELECT video_id FROM fanouts WHERE author_id = ANY ($1) AND status = 'PENDING' ORDER BY video_id FOR UPDATE

-- name: leave_out
-- By fanouts_pending_author, in the same way.
UPDATE fanouts SET unfollowed = unfollowed || $2::uuid
WHERE video_id IN (
    SELECT video_id FROM fanouts
    WHERE author_id = $1 AND status = 'PENDING' AND $2 <> ALL (unfollowed)
    ORDER BY video_id
    FOR UPDATE
)

-- name: find_left_out
-- By primary key, of a row that is locked.
SELECT unfollowed FROM fanouts WHERE video_id = $1

-- name: advance_fanout
-- By primary key, of a row that is locked; back to the end of the queue, so that fan-outs take turns page by page. Who
-- stopped following until now is not listed with the next page.
UPDATE fanouts
SET page_token = $2, status = CASE WHEN $2 = '' THEN 'DONE' ELSE 'PENDING' END, attempts = 0,
    lease_owner = NULL, lease_until = NULL, next_at = now(), unfollowed = '{}'
WHERE video_id = $1
