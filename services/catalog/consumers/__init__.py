"""Which event leads to which use case."""
