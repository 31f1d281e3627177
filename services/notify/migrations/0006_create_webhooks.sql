-- Endpoints of programs that are told what happens to a user's videos.
CREATE TABLE webhooks (
    webhook_id       uuid        PRIMARY KEY,
    user_id          uuid        NOT NULL,
    url              text        NOT NULL,
    host             text        NOT NULL,
    event_types      text[]      NOT NULL DEFAULT '{}',
    description      text        NOT NULL DEFAULT '',
    secret           bytea       NOT NULL,
    old_secret       bytea,
    old_secret_until timestamptz,
    disabled_reason  text        CHECK (disabled_reason IN ('BY_OWNER', 'GONE', 'FAILING')),
    failing_since    timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN webhooks.host IS 'Of the URL; the limit of concurrency counts by it.';
COMMENT ON COLUMN webhooks.event_types IS 'The types it is told; empty for all.';
COMMENT ON COLUMN webhooks.secret IS 'What its requests are signed with, encrypted by a key that the database does not know.';
COMMENT ON COLUMN webhooks.disabled_reason IS 'Why nothing is sent to it; NULL where it is enabled.';
COMMENT ON COLUMN webhooks.failing_since IS 'The first failure since an attempt succeeded; NULL while all is well.';

-- Serves the list of a user's endpoints, their number, and the events of the user.
CREATE INDEX webhooks_user ON webhooks (user_id, created_at, webhook_id);

-- One event on its way to one endpoint.
CREATE TABLE webhook_deliveries (
    delivery_id uuid        PRIMARY KEY,
    webhook_id  uuid        NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    event_id    uuid        NOT NULL,
    event_type  text        NOT NULL,
    payload     text        NOT NULL,
    status      text        NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED', 'CANCELLED')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    lease_owner text,
    lease_until timestamptz,
    fence       bigint      NOT NULL DEFAULT 0,
    attempts    int         NOT NULL DEFAULT 0,
    next_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT webhook_deliveries_once UNIQUE (webhook_id, event_id)
) WITH (fillfactor = 80);
COMMENT ON COLUMN webhook_deliveries.payload IS 'The body as it is sent, at each attempt the same.';
COMMENT ON COLUMN webhook_deliveries.started_at IS 'When it was first due, or was asked to be sent again: 24 hours run from here.';

-- Serves the claim.
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (next_at) WHERE status = 'PENDING';
-- Serves the list of an endpoint's deliveries, and the cancelling of those that are pending.
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, created_at, delivery_id);
-- Serves the job that deletes old ones; rows lie in the order of their time.
CREATE INDEX webhook_deliveries_created_at ON webhook_deliveries USING brin (created_at);

-- One request and its reply. `fence` is of the claim that made it, so later ones are larger.
CREATE TABLE webhook_attempts (
    delivery_id uuid        NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
    fence       bigint      NOT NULL,
    sent_at     timestamptz NOT NULL,
    latency_ms  int         NOT NULL,
    http_status int,
    error_code  text,
    reply       text        NOT NULL DEFAULT '',
    PRIMARY KEY (delivery_id, fence)
);
COMMENT ON COLUMN webhook_attempts.error_code IS 'In our words; NULL where the attempt succeeded.';
COMMENT ON COLUMN webhook_attempts.reply IS 'The first 1,024 bytes of the reply''s body, made printable.';
