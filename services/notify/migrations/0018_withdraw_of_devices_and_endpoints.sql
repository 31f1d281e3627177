-- What is on its way to a device that is removed, or to an endpoint that is disabled, may be too much to be cancelled at
-- once, as what a user or a video has.
ALTER TABLE withdrawals ADD COLUMN device_id uuid, ADD COLUMN webhook_id uuid;
ALTER TABLE withdrawals DROP CONSTRAINT withdrawals_of_video_or_user;
ALTER TABLE withdrawals ADD CONSTRAINT withdrawals_of_one_thing
    CHECK (num_nonnulls(video_id, user_id, device_id, webhook_id) = 1);
-- Serve the look at what is about to be sent.
CREATE INDEX withdrawals_device ON withdrawals (device_id) WHERE device_id IS NOT NULL;
CREATE INDEX withdrawals_webhook ON withdrawals (webhook_id) WHERE webhook_id IS NOT NULL;

-- Serve the cancelling, in portions and in the order of ids.
DROP INDEX deliveries_pending_device;
CREATE INDEX deliveries_pending_device ON deliveries (device_id, delivery_id) WHERE status = 'PENDING';
CREATE INDEX webhook_deliveries_pending_webhook ON webhook_deliveries (webhook_id, delivery_id) WHERE status = 'PENDING';
-- What waited for an endpoint that was disabled, and is enabled again by now, was written after that.
ALTER TABLE webhook_deliveries ALTER COLUMN started_at SET DEFAULT clock_timestamp();
