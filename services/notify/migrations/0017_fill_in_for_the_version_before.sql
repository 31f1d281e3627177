-- While instances are replaced, those of the version before still write deliveries to endpoints, and know neither the user
-- nor the host that 0015 has added. What they leave out is the endpoint's.
CREATE FUNCTION fill_in_user_and_host() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT user_id, host INTO NEW.user_id, NEW.host FROM webhooks WHERE webhook_id = NEW.webhook_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER webhook_deliveries_fill_in BEFORE INSERT ON webhook_deliveries
    FOR EACH ROW WHEN (NEW.host IS NULL) EXECUTE FUNCTION fill_in_user_and_host();
