-- Events that are committed and not yet in Kafka. A row lives for milliseconds, unless Kafka is away.
CREATE TABLE outbox (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic            text        NOT NULL,
    key              text        NOT NULL,
    headers          jsonb       NOT NULL,
    data             bytea       NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    -- Set when Kafka refuses the row for good; later rows of its key wait behind it.
    set_aside_reason text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

COMMENT ON COLUMN outbox.id IS 'Order of the changes of one key. Numbers are given before commit, so a lower one may appear later.';

-- What the relay looks up to know which keys wait; normally empty.
CREATE INDEX outbox_set_aside ON outbox (topic, key) WHERE set_aside_reason IS NOT NULL;
