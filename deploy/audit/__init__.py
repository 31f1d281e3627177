"""Checks of what the repository holds and pins: known vulnerabilities in the lock files, and secrets in its files."""
