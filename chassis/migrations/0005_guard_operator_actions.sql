-- What was recorded stays as it is, whatever rights on all tables somebody is given later: 42501 is what a missing right
-- is told as.
CREATE FUNCTION keep_operator_actions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what operators did is kept as it was recorded' USING ERRCODE = '42501';
END
$$;

CREATE TRIGGER operator_actions_kept
    BEFORE DELETE OR UPDATE OF id, operator, action, subject, reason, begun_at ON operator_actions
    FOR EACH STATEMENT EXECUTE FUNCTION keep_operator_actions();

CREATE TRIGGER operator_actions_end_once
    BEFORE UPDATE ON operator_actions
    FOR EACH ROW WHEN (OLD.outcome IS NOT NULL) EXECUTE FUNCTION keep_operator_actions();
