-- How often a user may start uploads.

-- name: hold_use
-- One call decides: the function takes the user's turn, forgets what is over, counts, and holds.
SELECT allowed, reset_seconds FROM check_rate_limit($1, 'upload_initiate', $2, $3, $4)

-- name: find_hold
-- By primary key, in the transaction that holds the user's turn: until when this try holds the use, which tells it from
-- another try of the same upload.
SELECT held_until FROM rate_limit_uses WHERE user_id = $1 AND action = 'upload_initiate' AND use_id = $2

-- name: accept_use
-- By primary key. A hold that has lapsed may have been given to another upload, and one that another try of this upload
-- has taken over goes with that try's claim, so neither can be accepted any more.
UPDATE rate_limit_uses SET used_at = clock_timestamp(), held_until = NULL
WHERE user_id = $1 AND action = 'upload_initiate' AND use_id = $2
  AND (held_until IS NULL OR held_until = $3 AND held_until > clock_timestamp())

-- name: was_overtaken
-- By primary key: whether another try of the upload has taken the hold over, or was accepted with it since.
SELECT EXISTS (
    SELECT FROM rate_limit_uses
    WHERE user_id = $1 AND action = 'upload_initiate' AND use_id = $2 AND (held_until IS NULL OR held_until > $3)
)

-- name: release_use
-- By primary key; an accepted use has no hold and stays, and so does another try's.
DELETE FROM rate_limit_uses
WHERE user_id = $1 AND action = 'upload_initiate' AND use_id = $2 AND held_until = $3

-- name: forget_uses
-- By rate_limit_uses_used_at: what users left behind who never came back; check_rate_limit forgets the others'.
DELETE FROM rate_limit_uses WHERE used_at < now() - $1::interval

-- Uploads. `read_at` goes with every read, because PostgreSQL's clock decides what has expired.

-- name: insert_upload
-- By primary key; of two tries of one command the second gets no row.
INSERT INTO uploads (
    upload_id, video_id, user_id, generation, wanted_generation, tier, filename, content_type, file_size_bytes,
    fingerprint, s3_key, s3_upload_id, part_checksums, expires_at
)
VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10, $11, $12, now() + $13::interval)
ON CONFLICT (upload_id) DO NOTHING
RETURNING *, now() AS read_at

-- name: find_upload
-- By primary key; another user's upload is simply not there.
SELECT *, now() AS read_at FROM uploads WHERE upload_id = $1 AND user_id = $2

-- name: lock_own_upload
-- By primary key; locks the aggregate before its outbox row is written.
SELECT *, now() AS read_at FROM uploads WHERE upload_id = $1 AND user_id = $2 FOR UPDATE

-- name: lock_upload
-- The same for our own work, which acts for every user.
SELECT *, now() AS read_at FROM uploads WHERE upload_id = $1 FOR UPDATE

-- name: save_upload
-- By primary key, on a locked row: all that a change of status brings along.
UPDATE uploads
SET status = $2, completing_parts = $3, completed_at = $4, ended_at = $5, failure_code = $6, failure_message = $7,
    completed_event_id = $8, original_expires_at = $9,
    completing_at = CASE WHEN $2 <> 'COMPLETING' THEN completing_at ELSE now() END
WHERE upload_id = $1

-- name: save_answer
-- By primary key. The first answer to UploadCompleted stays, so that a repeated complete gets the same one.
UPDATE uploads
SET catalog_status = coalesce(catalog_status, $2),
    catalog_sequence = CASE WHEN catalog_status IS NULL THEN greatest(catalog_sequence, $3) ELSE catalog_sequence END
WHERE upload_id = $1

-- name: list_unfinished
-- By uploads_unfinished, backwards from where the page before ended. COMPLETING is listed, because a client that died
-- while completing repeats that; what is overdue is not, because it takes nothing any more.
SELECT *, now() AS read_at FROM uploads
WHERE user_id = $1 AND status IN ('INITIATED', 'IN_PROGRESS', 'COMPLETING')
  AND (status = 'COMPLETING' OR expires_at > now())
  AND ($2::text IS NULL OR fingerprint = $2)
  AND (created_at, upload_id) < ($3, $4)
ORDER BY created_at DESC, upload_id DESC
LIMIT $5

-- name: find_generation
-- By the unique constraint uploads_of_video.
SELECT *, now() AS read_at FROM uploads WHERE video_id = $1 AND generation = $2

-- name: completing_since
-- By uploads_completing, which is normally empty.
SELECT *, now() AS read_at FROM uploads
WHERE status = 'COMPLETING' AND completing_at < now() - make_interval(secs => $1)
ORDER BY completing_at
LIMIT $2

-- name: finish_later
-- By primary key: to the end of the order in which they are finished.
UPDATE uploads SET completing_at = now() WHERE upload_id = $1 AND status = 'COMPLETING'

-- name: expire_overdue
-- By uploads_by_expiry; in portions, so that no transaction runs long.
SELECT array_agg(upload_id) FROM cleanup_expired_uploads($1) AS expired (upload_id)

-- name: find_uploads
-- By primary key. After `expire_overdue`, because a statement doesn't see what a function that it calls has written.
SELECT *, now() AS read_at FROM uploads WHERE upload_id = ANY ($1)

-- name: delete_ended
-- By uploads_without_original; in portions. Parts go with their upload.
DELETE FROM uploads
WHERE upload_id IN (
    SELECT upload_id FROM uploads
    WHERE status IN ('ABORTED', 'EXPIRED', 'FAILED') AND created_at < now() - make_interval(days => $1)
    LIMIT $2
)

-- Parts. An upload has at most 30.

-- name: signed_lengths
-- By primary key's first column, after the upload's row was locked, so that no other signature is under way.
SELECT part_number, content_length FROM upload_parts WHERE upload_id = $1

-- name: signed_checksums
-- By primary key's first column. The last ones signed; while S3 assembles, no part is signed.
SELECT part_number, checksum_sha256 FROM upload_parts WHERE upload_id = $1 AND checksum_sha256 IS NOT NULL

-- name: sign_parts
-- All parts of a batch in one round trip, which brings back what was signed before it: both halves see the table as it
-- was when the statement began, and the upload's row is locked. A part that is signed again has the new length and
-- checksum.
WITH signed AS (
    INSERT INTO upload_parts (upload_id, part_number, content_length, checksum_sha256)
    SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::text[])
    ON CONFLICT (upload_id, part_number) DO UPDATE
    SET content_length = excluded.content_length, checksum_sha256 = excluded.checksum_sha256, signed_at = now()
)
SELECT part_number, content_length FROM upload_parts WHERE upload_id = $1

-- name: save_received
-- By primary key's first column: is_uploaded and etag follow what S3 says, and rows that say so already stay as they are.
UPDATE upload_parts AS part
SET etag = received.etag, is_uploaded = received.etag IS NOT NULL
FROM (
    SELECT known.part_number, held.etag
    FROM upload_parts AS known
    LEFT JOIN unnest($2::int[], $3::text[]) AS held (part_number, etag) USING (part_number)
    WHERE known.upload_id = $1
) AS received
WHERE part.upload_id = $1 AND part.part_number = received.part_number
  AND (part.etag, part.is_uploaded) IS DISTINCT FROM (received.etag, received.etag IS NOT NULL)

-- Videos that were deleted.

-- name: lock_video
-- Waited for by whoever creates work for a video and by its deletion, so that each sees what the other wrote. There may
-- be no row to lock, hence an advisory lock.
SELECT pg_advisory_xact_lock(hashtextextended('video ' || $1::uuid, 0))

-- name: is_video_deleted
-- By primary key; a statement of its own, so that it sees what was committed while `lock_video` waited.
SELECT EXISTS (SELECT FROM deleted_videos WHERE video_id = $1)

-- name: delete_video
-- A tombstone, for ever.
INSERT INTO deleted_videos (video_id) VALUES ($1) ON CONFLICT DO NOTHING

-- name: lock_active_of_video
-- By the unique constraint uploads_of_video; a video has few uploads.
SELECT *, now() AS read_at FROM uploads
WHERE video_id = $1 AND status IN ('INITIATED', 'IN_PROGRESS')
ORDER BY generation
FOR UPDATE

-- Originals.

-- name: mark_original_deleted
-- By primary key; only the first to mark gets the row.
UPDATE uploads SET original_deleted_at = now()
WHERE upload_id = $1 AND status = 'COMPLETED' AND original_deleted_at IS NULL
RETURNING *, now() AS read_at

-- name: mark_originals_deleted
-- By the unique constraint uploads_of_video.
UPDATE uploads SET original_deleted_at = now()
WHERE video_id = $1 AND status = 'COMPLETED' AND original_deleted_at IS NULL

-- name: give_up_outlived_originals
-- By uploads_with_original. An hour more than the time that was told, so that a retry that was accepted in its last
-- second is heard of first. Where no transcode's end was heard, the original waits for it as long as $1.
UPDATE uploads SET original_deleted_at = now()
WHERE upload_id IN (
    SELECT upload_id FROM uploads
    WHERE status = 'COMPLETED' AND original_deleted_at IS NULL
      AND original_expires_at < now() - interval '1 hour'
      AND (settled_generation >= wanted_generation OR original_expires_at < now() - $1::interval)
    ORDER BY original_expires_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
RETURNING *, now() AS read_at

-- name: original_wanted
-- By primary key. Requests and ends come by different topics, in any order; the greatest generation of each counts. The
-- time of an original that is gone stays over.
UPDATE uploads
SET wanted_generation = greatest(wanted_generation, $2),
    original_expires_at = CASE WHEN original_deleted_at IS NULL THEN greatest(original_expires_at, $3)
        ELSE original_expires_at END
WHERE upload_id = $1 AND status = 'COMPLETED'

-- name: original_settled
-- By the unique constraint uploads_of_video. A retry has a generation of its own and reads the original of the last
-- upload before it.
UPDATE uploads
SET settled_generation = greatest(settled_generation, $2),
    original_expires_at = CASE WHEN original_deleted_at IS NULL THEN greatest(original_expires_at, $3)
        ELSE original_expires_at END
WHERE upload_id = (
    SELECT upload_id FROM uploads
    WHERE video_id = $1 AND generation <= $2 AND status = 'COMPLETED'
    ORDER BY generation DESC
    LIMIT 1
)

-- Purges.

-- name: order_purge
INSERT INTO purges (prefix, reason, next_at) VALUES ($1, $2, now() + $3::interval)

-- name: finish_purge
-- By primary key; the fence keeps a worker that lost its lease from ending its successor's work.
DELETE FROM purges WHERE purge_id = $1 AND fence = $2

-- What S3 holds against what the tables say.

-- name: find_wanted
-- By primary key: what these uploads still want of what S3 may hold of them.
SELECT upload_id, s3_key, s3_upload_id,
    status IN ('INITIATED', 'IN_PROGRESS', 'COMPLETING') AS is_unfinished,
    status = 'COMPLETED' AND original_deleted_at IS NULL AS has_original
FROM uploads WHERE upload_id = ANY ($1)

-- name: list_originals
-- By uploads_originals_by_key, in the order of S3's listing: the rows of one of its pages. Both ends are conditions of
-- the index, or each page would look through all rows above it; above all keys is the last character. What was completed
-- a moment ago is left out, because the listing may be older.
SELECT s3_key FROM uploads
WHERE status = 'COMPLETED' AND original_deleted_at IS NULL
  AND s3_key COLLATE "C" > $1 AND s3_key COLLATE "C" <= coalesce($2::text, chr(1114111))
  AND starts_with(s3_key, $3) AND completed_at < now() - $4::interval
ORDER BY s3_key COLLATE "C"
LIMIT $5

-- name: list_active
-- By uploads_by_expiry, which holds the uploads of the last hour; those before it are few, because they expire.
SELECT *, now() AS read_at FROM uploads
WHERE status IN ('INITIATED', 'IN_PROGRESS') AND created_at < now() - $1::interval
  AND upload_id > $2 AND starts_with(s3_key, $3)
ORDER BY upload_id
LIMIT $4

-- name: save_findings
-- By the unique constraint reconcile_findings_once; a page in one round trip. Those that are new come back.
INSERT INTO reconcile_findings (kind, s3_key, s3_upload_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT ON CONSTRAINT reconcile_findings_once DO UPDATE SET last_seen_at = now()
RETURNING kind, s3_key, s3_upload_id, first_seen_at = now() AS is_new

-- name: count_findings
-- Reads all of a table that is normally empty, in the order of reconcile_findings_once.
SELECT kind, count(*) FROM reconcile_findings GROUP BY kind

-- name: count_due_findings
-- By reconcile_findings_first_seen; up to $3, because more need not be told apart.
SELECT count(*) FROM (
    SELECT FROM reconcile_findings
    WHERE first_seen_at < now() - $1::interval AND starts_with(s3_key, $2)
    LIMIT $3
) AS due

-- name: list_due_findings
-- By primary key, on from the one before.
SELECT finding_id, kind, s3_key, s3_upload_id FROM reconcile_findings
WHERE finding_id > $1 AND first_seen_at < now() - $2::interval AND starts_with(s3_key, $3)
ORDER BY finding_id
LIMIT $4

-- name: close_finding
-- By primary key.
DELETE FROM reconcile_findings WHERE finding_id = $1

-- name: find_position
-- By primary key.
SELECT position FROM reconcile_walks WHERE walk = $1

-- name: save_position
-- By primary key. Of two runs at once the later word counts: at worst a page is read again.
INSERT INTO reconcile_walks (walk, position) VALUES ($1, $2)
ON CONFLICT (walk) DO UPDATE SET position = excluded.position, saved_at = now()

-- name: end_walk
-- By primary key.
DELETE FROM reconcile_walks WHERE walk = $1

-- name: give_up_lost_original
-- By primary key; only the first to mark gets the row. Its time is over now, so that nobody is told that it is kept.
UPDATE uploads SET original_deleted_at = now(), original_expires_at = least(original_expires_at, now())
WHERE upload_id = $1 AND status = 'COMPLETED' AND original_deleted_at IS NULL
RETURNING *, now() AS read_at

-- What operators ask. Names of files, which people chose, are left out.

-- name: show_uploads
-- By the unique constraint uploads_of_video; the parts by the head of their primary key.
SELECT upload_id, generation, user_id, status, tier, content_type, file_size_bytes, s3_key, created_at, expires_at,
       completing_at, completed_at, ended_at, failure_code, failure_message, catalog_status, catalog_sequence,
       wanted_generation, settled_generation, original_expires_at, original_deleted_at, parts.signed, parts.received
FROM uploads
CROSS JOIN LATERAL (
    SELECT count(*) AS signed, count(*) FILTER (WHERE is_uploaded) AS received
    FROM upload_parts WHERE upload_parts.upload_id = uploads.upload_id
) AS parts
WHERE video_id = $1
ORDER BY generation DESC
LIMIT $2

-- name: show_purges
-- By purges_prefix: those whose prefix begins so.
SELECT prefix, reason, created_at, attempts, next_at, lease_owner AS worker FROM purges
WHERE prefix COLLATE "C" >= $1 AND prefix COLLATE "C" < $1 || chr(1114111)
ORDER BY created_at
LIMIT $2

-- name: show_deletion
-- By primary key.
SELECT deleted_at FROM deleted_videos WHERE video_id = $1

-- name: list_findings
-- By the index on first_seen_at; $1 is a kind, or null for any.
SELECT finding_id AS id, kind, s3_key, s3_upload_id, first_seen_at, last_seen_at FROM reconcile_findings
WHERE $1::text IS NULL OR kind = $1
ORDER BY first_seen_at
LIMIT $2

-- name: count_ended
-- By uploads_without_original and uploads_with_original, in which every upload that ended lately is: an upload ends two
-- hours after its beginning at most, and an original is kept for days.
SELECT status, failure_code, count(*) AS uploads, min(ended_at) AS first, max(ended_at) AS last
FROM (
    SELECT status, failure_code, ended_at FROM uploads
    WHERE status IN ('ABORTED', 'EXPIRED', 'FAILED') AND created_at > now() - make_interval(secs => $1, hours => 2)
    UNION ALL
    SELECT status, failure_code, ended_at FROM uploads WHERE status = 'COMPLETED' AND original_deleted_at IS NULL
) AS upload
WHERE ended_at > now() - make_interval(secs => $1)
GROUP BY status, failure_code
ORDER BY status, failure_code
