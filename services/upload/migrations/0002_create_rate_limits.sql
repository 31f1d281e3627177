-- What users used of a limited action within its window. A use is held while its command is under way and accepted by
-- the command's last transaction, so that only accepted ones count in the end; a hold that was left behind lapses.
CREATE TABLE rate_limit_uses (
    user_id    uuid        NOT NULL,
    action     text        NOT NULL,
    use_id     uuid        NOT NULL,
    used_at    timestamptz NOT NULL,
    -- Null once it was accepted.
    held_until timestamptz,
    PRIMARY KEY (user_id, action, use_id)
);

-- Serves the job that forgets old uses.
CREATE INDEX rate_limit_uses_used_at ON rate_limit_uses (used_at);

-- Holds one use of `p_action` for `p_hold`, if the user has fewer than `p_limit` within the sliding window.
-- `remaining` is how many more are free after this one; `reset_seconds` how long until one more becomes free.
-- Exact under concurrency: the checks of one user and action queue up until the transaction before has ended, and
-- each statement after the lock sees what that one committed.
CREATE FUNCTION check_rate_limit(
    p_user_id uuid, p_action text, p_limit int, p_window interval,
    p_use_id uuid DEFAULT gen_random_uuid(), p_hold interval DEFAULT '60 seconds',
    OUT allowed boolean, OUT remaining int, OUT reset_seconds double precision
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    present timestamptz;
    used    int;
    free_at timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(p_action || ' ' || p_user_id, 0));
    present := clock_timestamp();
    -- Also waits for a hold that is being accepted at this moment, and then leaves it.
    DELETE FROM rate_limit_uses
    WHERE user_id = p_user_id AND action = p_action AND coalesce(held_until, used_at + p_window) <= present;
    -- A command that is tried again keeps its use.
    UPDATE rate_limit_uses SET held_until = present + p_hold
    WHERE user_id = p_user_id AND action = p_action AND use_id = p_use_id AND held_until IS NOT NULL;
    allowed := EXISTS (
        SELECT FROM rate_limit_uses WHERE user_id = p_user_id AND action = p_action AND use_id = p_use_id);
    SELECT count(*) INTO used FROM rate_limit_uses WHERE user_id = p_user_id AND action = p_action;
    IF NOT allowed AND used < p_limit THEN
        INSERT INTO rate_limit_uses VALUES (p_user_id, p_action, p_use_id, present, present + p_hold);
        allowed := true;
        used := used + 1;
    END IF;
    SELECT min(coalesce(held_until, used_at + p_window)) INTO free_at
    FROM rate_limit_uses WHERE user_id = p_user_id AND action = p_action;
    remaining := greatest(p_limit - used, 0);
    reset_seconds := coalesce(extract(epoch FROM free_at - present), 0);
END
$$;
