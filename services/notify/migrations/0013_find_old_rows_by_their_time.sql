-- Rows do not lie in the order of their time for long: what the jobs delete leaves pages to which new rows are written.
-- A range of such pages has old and new rows, so that by BRIN every row would be looked at again, each time.
DROP INDEX notifications_created_at;
DROP INDEX deliveries_created_at;
DROP INDEX webhook_deliveries_created_at;
-- Serve the jobs that delete old ones.
CREATE INDEX notifications_created_at ON notifications (created_at);
CREATE INDEX deliveries_created_at ON deliveries (created_at);
CREATE INDEX webhook_deliveries_created_at ON webhook_deliveries (created_at);
