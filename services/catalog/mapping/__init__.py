"""Between messages and the domain."""
