-- Which deliveries there is room for now, of the tables that have a host, a user and the columns of chassis/leases. In the
-- braces: the table, which of its rows are the channel's, and which are as urgent as urgencies.priority.

-- name: go_by_index
-- For the transaction of a claim. Statistics know nothing of a queue that has just filled, and where they say that little
-- waits, all of it would be read by another index and sorted. What is asked for has the order of one index.
SET LOCAL enable_sort = off

-- name: find_due
-- Goes from host to host by the index whose name ends in _pending_turn, and at each from user to user, the urgent first.
-- Of a user it reads what is due and no more than there is room for, so what waits for a host that is left alone, for a
-- user whose turns are taken, or for its time, is passed over at the cost of one row, however much it is. Where that are
-- more users than it looks at, it takes what is due longest too, by the index whose name ends in _pending_due: after an
-- outage of a vendor all its users wait for their next try, and who is due among them would be found by chance. Ordered by
-- urgency alone, in which it is found, so that it ends as soon as there is enough. Nothing is locked here: the claim by
-- these ids (chassis/leases) looks again.
-- $1 and $2: the host to begin with, and how many are looked at. $3: the room in all. $4 to $6: of hosts, which of them
-- have another room than $4. $7 to $9: of users, in the same way. $10 and $11: the hash behind which to begin with the
-- users of each host, by chance, so that nobody is always the last, and how many of them are looked at. By a hash, because
-- ids that begin with a time lie too close to each other. $12: the priorities in their order.
-- `place` is the host with which the next claim begins, '' for the first one. There is one row at least, to tell it.
WITH RECURSIVE hosts AS (
    (SELECT host, 1 AS number FROM {table} WHERE {channel} AND status = 'PENDING' AND host >= $1 ORDER BY host LIMIT 1)
    UNION ALL
    SELECT (
        SELECT later.host FROM {table} AS later
        WHERE {channel} AND status = 'PENDING' AND later.host > hosts.host ORDER BY later.host LIMIT 1
    ), number + 1
    FROM hosts WHERE hosts.host IS NOT NULL AND number < $2::int
), open AS (
    SELECT hosts.host, coalesce(told.room, $4::int) AS room
    FROM hosts LEFT JOIN unnest($5::text[], $6::int[]) AS told (host, room) ON told.host = hosts.host
    WHERE hosts.host IS NOT NULL AND coalesce(told.room, $4) > 0
), found AS (
    SELECT open.host, turns.user_id, turns.delivery_id
    FROM open
    CROSS JOIN unnest($12::int[]) WITH ORDINALITY AS urgencies (priority, number)
    CROSS JOIN LATERAL (
        WITH RECURSIVE users AS (
            SELECT $10::int AS spot, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid AS user_id, false AS again,
                0 AS number, 0 AS found, '{{}}'::uuid[] AS ids
            UNION ALL
            SELECT uuid_hash(next.user_id), next.user_id, next.again, number + 1, found + cardinality(due.ids), due.ids
            FROM users
            CROSS JOIN LATERAL (
                (
                    SELECT later.user_id, false AS again FROM {table} AS later
                    WHERE {channel} AND {urgent} AND status = 'PENDING' AND later.host = open.host
                        AND (uuid_hash(later.user_id), later.user_id) > (users.spot, users.user_id)
                        AND NOT users.again
                    ORDER BY uuid_hash(later.user_id), later.user_id LIMIT 1
                )
                UNION ALL
                (
                    SELECT first.user_id, true FROM {table} AS first
                    WHERE {channel} AND {urgent} AND status = 'PENDING' AND first.host = open.host
                        AND (uuid_hash(first.user_id), first.user_id) > (
                            CASE WHEN users.again THEN users.spot ELSE -2147483648 END,
                            CASE WHEN users.again THEN users.user_id ELSE '00000000-0000-0000-0000-000000000000' END
                        )
                        AND uuid_hash(first.user_id) <= $10
                    ORDER BY uuid_hash(first.user_id), first.user_id LIMIT 1
                )
                LIMIT 1
            ) AS next
            LEFT JOIN unnest($8::uuid[], $9::int[]) AS told (user_id, room) ON told.user_id = next.user_id
            CROSS JOIN LATERAL (
                SELECT ARRAY(
                    SELECT waiting.delivery_id FROM {table} AS waiting
                    WHERE {channel} AND {urgent} AND status = 'PENDING' AND waiting.host = open.host
                        AND uuid_hash(waiting.user_id) = uuid_hash(next.user_id) AND waiting.user_id = next.user_id
                        AND waiting.next_at <= now()
                        AND (waiting.lease_until IS NULL OR waiting.lease_until <= now())
                    ORDER BY waiting.next_at
                    LIMIT greatest(0, least(coalesce(told.room, $7::int), open.room))
                ) AS ids
            ) AS due
            WHERE users.number < $11::int AND users.found < open.room
        ), seen AS MATERIALIZED (
            SELECT users.user_id, unnest(users.ids) AS delivery_id FROM users
        )
        SELECT seen.user_id, seen.delivery_id FROM seen
        UNION ALL
        (
            SELECT longest.user_id, longest.delivery_id
            FROM (
                SELECT waiting.user_id, waiting.delivery_id FROM {table} AS waiting
                WHERE {channel} AND {urgent} AND status = 'PENDING' AND waiting.host = open.host
                    AND waiting.next_at <= now() AND fence >= 0
                    AND (waiting.lease_until IS NULL OR waiting.lease_until <= now())
                ORDER BY waiting.next_at
                LIMIT (
                    SELECT CASE WHEN max(users.number) = $11 AND max(users.found) < open.room THEN $11 ELSE 0 END
                    FROM users
                )
            ) AS longest
            LEFT JOIN unnest($8::uuid[], $9::int[]) AS told (user_id, room) ON told.user_id = longest.user_id
            WHERE coalesce(told.room, $7) > 0 AND longest.delivery_id NOT IN (SELECT seen.delivery_id FROM seen)
            LIMIT open.room
        )
    ) AS turns
    ORDER BY urgencies.number
    LIMIT $3
)
SELECT reached.place, found.*
FROM (SELECT CASE WHEN count(host) < $2 THEN '' ELSE max(host) END AS place FROM hosts) AS reached
LEFT JOIN found ON true
