-- The ledger: who was told what.

-- name: write_notifications
-- A page of followers in one round trip, with everything that belongs to it, so that nobody is told by halves.
-- `told` finds by the indexes whom there is to tell. Their inboxes' rows are locked in the order of their ids, and give
-- the numbers. The unique constraint (user, kind, subject) has the last word on who was told before: also when two
-- transactions write the same, of which the second waits for the first and leaves a gap in the numbers.
-- Whoever causes a thing of their own is heard, muted or not. The ids of deliveries are UUIDv7: 48 bits of milliseconds,
-- then the version's bits over a random UUID.
WITH told AS MATERIALIZED (
    SELECT notification_id, user_id,
           NOT EXISTS (
               SELECT FROM preferences
               WHERE preferences.user_id = one.user_id AND kind = $3 AND channel = 'in_app' AND NOT enabled
           ) AS in_app
    FROM unnest($1::uuid[], $2::uuid[]) AS one (notification_id, user_id)
    WHERE NOT EXISTS (
              SELECT FROM notifications
              WHERE notifications.user_id = one.user_id AND kind = $3 AND subject = $4
          )
      AND NOT EXISTS (
              SELECT FROM muted_authors
              WHERE author_id = $8 AND muted_authors.user_id = one.user_id AND author_id <> one.user_id
          )
), numbered AS (
    INSERT INTO inboxes (user_id, last_sequence)
    SELECT user_id, 1 FROM told WHERE in_app ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET last_sequence = inboxes.last_sequence + 1
    RETURNING user_id, last_sequence
), written AS (
    INSERT INTO notifications (
        notification_id, user_id, kind, subject, title, body, video_id, actor_user_id, reason_code, next_action,
        in_app, sequence
    )
    SELECT notification_id, user_id, $3, $4, $5, $6, $7, $8, $9, $10, in_app, last_sequence
    FROM told LEFT JOIN numbered USING (user_id)
    ON CONFLICT ON CONSTRAINT notifications_once DO NOTHING
    RETURNING notification_id, user_id
), sent AS (
    INSERT INTO deliveries (
        delivery_id, notification_id, user_id, kind, video_id, actor_user_id, device_id, vendor, host, priority, trace
    )
    SELECT encode(
               set_bit(set_bit(
                   overlay(
                       uuid_send(gen_random_uuid())
                       PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                       FROM 1 FOR 6
                   ), 52, 1), 53, 1), 'hex')::uuid,
           notification_id, user_id, $3, $7, $8, device_id, vendor, host, $11, $12
    FROM written JOIN devices USING (user_id)
    WHERE NOT EXISTS (
        SELECT FROM preferences
        WHERE preferences.user_id = written.user_id AND kind = $3 AND NOT enabled
          AND channel = CASE vendor WHEN 'web_push' THEN 'web_push' ELSE 'mobile_push' END
    )
)
SELECT count(*) FROM written

-- name: delete_written_before
-- By notifications_created_at; in portions, so that no statement runs long.
DELETE FROM notifications
WHERE notification_id IN (
    SELECT notification_id FROM notifications
    WHERE created_at < now() - make_interval(days => $1) ORDER BY created_at LIMIT $2
)
