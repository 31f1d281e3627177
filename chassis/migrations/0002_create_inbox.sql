-- Which event each consumer of this schema has applied: written in the transaction that applies it.
CREATE TABLE inbox (
    consumer   text        NOT NULL,
    event_id   uuid        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);

-- Serves the job that forgets old rows.
CREATE INDEX inbox_applied_at ON inbox (applied_at);
