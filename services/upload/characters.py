"""How long a text is, as a person counts."""

import regex

_CHARACTER = regex.compile(r"\X")


def count_characters(text: str) -> int:
    """Extended grapheme clusters: a letter with its accents is one, a family of emoji too."""
    return sum(1 for _ in _CHARACTER.finditer(text))
