-- Commands by Idempotency-Key: reserved with their ids before they begin, completed with their reply.
CREATE TABLE idempotency_keys (
    user_id        uuid        NOT NULL,
    method         text        NOT NULL,
    key            text        NOT NULL,
    request_hash   bytea       NOT NULL,
    ids            jsonb       NOT NULL,
    -- 1 for the first try; each take-over raises it.
    attempt        int         NOT NULL DEFAULT 1,
    reserved_until timestamptz NOT NULL,
    reply          bytea,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, method, key)
);

-- Serves the job that deletes keys after 24 hours.
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
