-- Serve the claim at a host that more users wait for than it looks at: what is due longest is found whoever else waits there
-- for a later time. `fence` is never negative: who asks for that takes these indexes, and the planner can't take them
-- where a single user's is read, for which a claim has the indexes that end in _pending_turn.
CREATE INDEX deliveries_pending_due ON deliveries (vendor, host, priority, next_at)
    WHERE status = 'PENDING' AND fence >= 0;
CREATE INDEX webhook_deliveries_pending_due ON webhook_deliveries (host, next_at) WHERE status = 'PENDING' AND fence >= 0;
