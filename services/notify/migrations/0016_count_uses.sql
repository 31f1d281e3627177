-- How often somebody, or an endpoint, did what is limited to so many at once and one in an interval.
CREATE TABLE allowance_uses (
    subject_id uuid        NOT NULL,
    allowance  text        NOT NULL,
    next_at    timestamptz NOT NULL,
    PRIMARY KEY (subject_id, allowance)
);
COMMENT ON COLUMN allowance_uses.next_at IS
    'Each use moves it on by its interval; a use that would have it too far ahead of now is refused.';
-- Serves the job that deletes what says nothing any more.
CREATE INDEX allowance_uses_next_at ON allowance_uses (next_at);
