-- Pages of followers are linked to the trace that asked for them: W3C's headers, as gRPC and Kafka carry them.
ALTER TABLE feed_fanouts ADD COLUMN trace jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN feed_fanouts.trace IS 'Of what changed the video: traceparent and baggage. Pages are traces of their own, linked to it.';
