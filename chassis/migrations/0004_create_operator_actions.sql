-- What people decided by hand, kept for ever: written before it is done, ended when it was.
CREATE TABLE operator_actions (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator text        NOT NULL,
    action   text        NOT NULL,
    subject  text        NOT NULL,
    reason   text        NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    outcome  text,
    CHECK ((outcome IS NULL) = (ended_at IS NULL))
);

COMMENT ON COLUMN operator_actions.subject IS 'The id of what it was done to: a job, a dead letter, an outbox row, a video.';
COMMENT ON COLUMN operator_actions.outcome IS 'Null: it is being done, or whoever did it was interrupted.';

-- The service's role adds and ends actions; it can neither rewrite nor delete them.
DO $$
BEGIN
    EXECUTE format('REVOKE UPDATE, DELETE ON operator_actions FROM %I', current_schema());
    EXECUTE format('GRANT UPDATE (ended_at, outcome) ON operator_actions TO %I', current_schema());
END
$$;
