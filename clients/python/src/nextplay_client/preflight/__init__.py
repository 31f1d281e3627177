"""A look at a file's head before a byte is sent: would the platform take it?"""

from nextplay_client.preflight.verdict import Clip, examine

__all__ = ["Clip", "examine"]
