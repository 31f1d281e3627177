-- Serves the claim, which goes from host to host, so that a host that does not answer is passed over whatever waits for
-- it. No column in it changes while a delivery is tried again, so attempts write no index.
CREATE INDEX deliveries_pending_host ON deliveries (vendor, host, priority DESC, delivery_id) WHERE status = 'PENDING';
-- Serves the age of what waits longest for a vendor.
CREATE INDEX deliveries_pending_age ON deliveries (vendor, created_at) WHERE status = 'PENDING';
-- The index that a claim by next_at would have used.
DROP INDEX deliveries_pending;

-- When the device may be pushed to again, with what it may be ahead of its time.
ALTER TABLE devices ADD COLUMN next_push_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN devices.next_push_at IS
    'Each push moves it on by its interval; a push that would have it too far ahead waits.';
