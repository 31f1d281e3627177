-- What a user does not want to be told, and how. Without a row everything is told on every channel.
CREATE TABLE preferences (
    user_id uuid    NOT NULL,
    kind    text    NOT NULL,
    channel text    NOT NULL CHECK (channel IN ('in_app', 'web_push', 'mobile_push')),
    enabled boolean NOT NULL,
    PRIMARY KEY (user_id, kind, channel)
);

-- Authors of whose publications a user hears nothing, on no channel, and still follows.
CREATE TABLE muted_authors (
    user_id   uuid        NOT NULL,
    author_id uuid        NOT NULL,
    muted_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, author_id)
);
-- Serves the fan-out, which asks who of a page of followers has muted an author.
CREATE INDEX muted_authors_author ON muted_authors (author_id, user_id);

-- The ledger has what was told on any channel; the inbox shows what was told in the app.
ALTER TABLE notifications ADD COLUMN in_app boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN notifications.in_app IS
    'Whether the inbox shows it; the row is kept in any case, so that nobody is told twice.';
