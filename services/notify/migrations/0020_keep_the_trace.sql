-- What is told later continues the trace in which it was asked for: W3C's headers, as gRPC and Kafka carry them.
ALTER TABLE fanouts ADD COLUMN trace jsonb NOT NULL DEFAULT '{}';
ALTER TABLE deliveries ADD COLUMN trace jsonb NOT NULL DEFAULT '{}';
ALTER TABLE webhook_deliveries ADD COLUMN trace jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN fanouts.trace IS 'Of the publication: traceparent and baggage. Pages are traces of their own, linked to it.';
