-- Serves the claim, which goes from host to host and there from user to user, so that neither a host that does not answer
-- nor a user with much waiting is read more of than there is room for. The time is in it, so what is not due is not read.
-- Users lie in the order of a hash, in which ids that begin with a time are spread evenly.
CREATE INDEX deliveries_pending_turn
    ON deliveries (vendor, host, priority DESC, uuid_hash(user_id), user_id, next_at) WHERE status = 'PENDING';
DROP INDEX deliveries_pending_host;

-- Whose an endpoint is and where it is, for the same claim. Both follow the endpoint.
ALTER TABLE webhook_deliveries ADD COLUMN user_id uuid, ADD COLUMN host text;
UPDATE webhook_deliveries SET user_id = webhooks.user_id, host = webhooks.host
FROM webhooks WHERE webhooks.webhook_id = webhook_deliveries.webhook_id;
ALTER TABLE webhook_deliveries ALTER COLUMN user_id SET NOT NULL, ALTER COLUMN host SET NOT NULL;
CREATE INDEX webhook_deliveries_pending_turn
    ON webhook_deliveries (host, uuid_hash(user_id), user_id, next_at) WHERE status = 'PENDING';
DROP INDEX webhook_deliveries_pending;
-- Serves the age of what waits longest, and the job that gives up what waited for too long.
CREATE INDEX webhook_deliveries_pending_age ON webhook_deliveries (started_at) WHERE status = 'PENDING';
