"""The schema of notify, forward only."""
