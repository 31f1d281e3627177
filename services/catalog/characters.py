"""How long a text is, as a person counts."""

import regex


def count_characters(text: str) -> int:
    """Extended grapheme clusters: a letter with its accents is one, a family of emoji too."""
    return len(regex.findall(r"\X", text))
