"""Notify: tells people what happened to their videos and to those they follow, each thing once."""
