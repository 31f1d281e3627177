"""Stand-ins for what the catalog asks of others, for tests."""
