"""Queries straight to read models; the only place that may ask the replica."""
