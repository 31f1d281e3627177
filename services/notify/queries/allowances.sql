-- How often users did what is limited.

-- name: use_allowance
-- By primary key. Each use moves the row's time on by the interval ($3); one that would have it more than $4 ahead of
-- now is none, and changes nothing. Two at once wait for each other, so that both count. NULL where it was counted, else
-- the seconds until one is: the interval where this statement has not seen what came before it.
WITH counted AS (
    INSERT INTO allowance_uses AS uses (subject_id, allowance, next_at)
    VALUES ($1, $2, now() + make_interval(secs => $3))
    ON CONFLICT (subject_id, allowance) DO UPDATE
    SET next_at = greatest(uses.next_at, now()) + make_interval(secs => $3)
    WHERE uses.next_at <= now() + make_interval(secs => $4)
    RETURNING 1
)
SELECT coalesce((
    SELECT extract(epoch FROM next_at - now())::float8 - $4 FROM allowance_uses WHERE subject_id = $1 AND allowance = $2
), $3)
WHERE NOT EXISTS (SELECT FROM counted)

-- name: forget_uses
-- By allowance_uses_next_at; in portions, so that no statement runs long.
DELETE FROM allowance_uses
WHERE (subject_id, allowance) IN (
    SELECT subject_id, allowance FROM allowance_uses WHERE next_at < now() ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
