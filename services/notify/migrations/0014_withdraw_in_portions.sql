-- What is not to be delivered any more and was too much to be cancelled at once. What is left of it is cancelled in
-- portions; until then none of it is sent. A row goes when nothing is left.
CREATE TABLE withdrawals (
    withdrawal_id uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    video_id      uuid,
    user_id       uuid,
    author_ids    uuid[],
    channel       text,
    kinds         text[]      NOT NULL,
    because       text        NOT NULL,
    withdrawn_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_owner   text,
    lease_until   timestamptz,
    fence         bigint      NOT NULL DEFAULT 0,
    attempts      int         NOT NULL DEFAULT 0,
    next_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT withdrawals_of_video_or_user CHECK ((video_id IS NULL) <> (user_id IS NULL))
);
COMMENT ON COLUMN withdrawals.author_ids IS 'Of whose publications, among those of a user; NULL for all.';
COMMENT ON COLUMN withdrawals.channel IS 'On which channel, among those of a user; NULL for all.';
COMMENT ON COLUMN withdrawals.withdrawn_at IS 'What was written later is none of it, as where a video is shown again.';
-- Serves the claim.
CREATE INDEX withdrawals_due ON withdrawals (next_at);
-- Serve the look at what is about to be sent.
CREATE INDEX withdrawals_video ON withdrawals (video_id) WHERE video_id IS NOT NULL;
CREATE INDEX withdrawals_user ON withdrawals (user_id) WHERE user_id IS NOT NULL;

-- Serves the cancelling of what is pending for a user, in portions and in the order of ids.
CREATE INDEX deliveries_pending_user ON deliveries (user_id, delivery_id) WHERE status = 'PENDING';
DROP INDEX deliveries_pending_actor;
