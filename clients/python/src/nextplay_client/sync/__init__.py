"""The client for programs without an event loop: made by generate/make_sync.py."""
