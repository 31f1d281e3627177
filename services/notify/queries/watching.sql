-- What comes into the inboxes that somebody watches.

-- name: latest_sequence
-- By primary key.
SELECT last_sequence FROM inboxes WHERE user_id = $1

-- name: read_behind
-- By notifications_sequence, once for each place. A number is committed after all lower ones of its inbox (the lock of
-- its row in inboxes), so none appears later behind the place.
SELECT watched.place, entry.*
FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS watched (user_id, after, place)
CROSS JOIN LATERAL (
    SELECT sequence, notification_id, kind, title, body, video_id, actor_user_id, reason_code, next_action, created_at,
           read_at
    FROM notifications
    WHERE notifications.user_id = watched.user_id AND sequence > watched.after
    ORDER BY sequence
    LIMIT $3
) AS entry
ORDER BY watched.place, entry.sequence
