-- Where a user can be reached beside the app: browsers that subscribed to Web Push, and phones.
CREATE TABLE devices (
    device_id     uuid        PRIMARY KEY,
    user_id       uuid        NOT NULL,
    vendor        text        NOT NULL CHECK (vendor IN ('web_push', 'fcm', 'apns')),
    address       text        NOT NULL,
    host          text        NOT NULL,
    keys          jsonb       NOT NULL DEFAULT '{}',
    registered_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN devices.address IS 'The subscription''s endpoint, or the token of FCM or APNs; never shown, never logged.';
COMMENT ON COLUMN devices.host IS 'Who is called to reach it; limits of concurrency and of rate count by it.';
COMMENT ON COLUMN devices.keys IS 'The public keys of a Web Push subscription: p256dh and auth.';
-- A token that moves to another account moves. Hashed, because addresses may be longer than an index takes.
CREATE UNIQUE INDEX devices_address ON devices (vendor, sha256(address::bytea));
-- Serves the list of a user's devices, their number, and the deliveries of a notification.
CREATE INDEX devices_user ON devices (user_id);

-- One notification on its way to one device.
CREATE TABLE deliveries (
    delivery_id     uuid        PRIMARY KEY,
    notification_id uuid        NOT NULL,
    user_id         uuid        NOT NULL,
    kind            text        NOT NULL,
    video_id        uuid        NOT NULL,
    actor_user_id   uuid        NOT NULL,
    device_id       uuid        NOT NULL,
    vendor          text        NOT NULL,
    host            text        NOT NULL,
    status          text        NOT NULL DEFAULT 'PENDING'
        CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED', 'CANCELLED')),
    -- What somebody waits for comes before what many are told.
    priority        smallint    NOT NULL DEFAULT 0,
    last_error      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    lease_owner     text,
    lease_until     timestamptz,
    fence           bigint      NOT NULL DEFAULT 0,
    attempts        int         NOT NULL DEFAULT 0,
    next_at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT deliveries_once UNIQUE (notification_id, device_id)
) WITH (fillfactor = 70);
COMMENT ON COLUMN deliveries.last_error IS 'Why the last attempt failed, in our words: a code, never what the vendor said.';

-- Serves the claim.
CREATE INDEX deliveries_pending ON deliveries (priority DESC, next_at) WHERE status = 'PENDING';
-- Serve what cancels: a video that is deleted or hidden, an author that is muted or no longer followed, a device.
CREATE INDEX deliveries_pending_video ON deliveries (video_id) WHERE status = 'PENDING';
CREATE INDEX deliveries_pending_actor ON deliveries (user_id, actor_user_id) WHERE status = 'PENDING';
CREATE INDEX deliveries_pending_device ON deliveries (device_id) WHERE status = 'PENDING';
-- Serves the job that deletes old ones; rows lie in the order of their time.
CREATE INDEX deliveries_created_at ON deliveries USING brin (created_at);
