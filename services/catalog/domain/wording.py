"""The texts that an owner gives a video, by the same rules as when its upload is announced."""

import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass

from chassis.errors import FieldViolation, InvalidArgument
from services.catalog.domain.commands import Change
from services.catalog.domain.video import Visibility

MAX_TITLE, MAX_DESCRIPTION = 80, 2_000

# One character may be made of many code points (a family of emoji has eleven); this bounds what is stored and drawn.
_CODE_POINTS_PER_CHARACTER = 12
# Characters that turn the direction of the text around them and so make a title look like another one.
_DIRECTION_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Rules:
    """What depends on the deployment: the categories, and how characters are counted (as a person does)."""

    categories: Collection[str]
    count_characters: Callable[[str], int]


def change(
    rules: Rules,
    *,
    title: str | None,
    description: str | None,
    category: str | None,
    visibility: Visibility | None,
) -> Change:
    """A change whose texts are trimmed and in Unicode's composed form; None stays.

    Raises InvalidArgument that says everything that is wrong at once.
    """
    wrong: list[FieldViolation] = []
    if title is not None:
        title = _text(rules, "title", title, 1, MAX_TITLE, "", wrong)
    if description is not None:
        description = _text(rules, "description", description, 0, MAX_DESCRIPTION, "\t\r\n", wrong)
    if category is not None and category not in rules.categories:
        wrong.append(_unknown(category, rules))
    if wrong:
        raise InvalidArgument(fields=wrong)
    return Change(title, description, category, visibility)


def known_category(rules: Rules, category: str) -> str:
    """The category. Raises InvalidArgument for one that no video may have."""
    if category not in rules.categories:
        raise InvalidArgument(fields=[_unknown(category, rules)])
    return category


def _unknown(category: str, rules: Rules) -> FieldViolation:
    return FieldViolation("category", f"must be one of {', '.join(rules.categories)}, is {category[:64]!r}")


def _text(
    rules: Rules, field: str, value: str, least: int, most: int, controls: str, wrong: list[FieldViolation]
) -> str:
    """The text trimmed and composed; what is wrong with it is added to `wrong`."""
    text = unicodedata.normalize("NFC", value.strip())
    rule = f"must have {least} to {most:,} characters"
    if len(text) > most * _CODE_POINTS_PER_CHARACTER:
        wrong.append(FieldViolation(field, f"{rule}, has {len(text):,} code points"))
    elif (characters := rules.count_characters(text)) > most:
        wrong.append(FieldViolation(field, f"{rule}, has {characters:,} characters"))
    elif forbidden := [character for character in text if _is_forbidden(character, controls)]:
        wrong.append(FieldViolation(field, f"must not have control characters, has U+{ord(forbidden[0]):04X}"))
    elif least and not any(unicodedata.category(character)[0] in "LNPS" for character in text):
        wrong.append(FieldViolation(field, f"{rule}, has no visible one"))
    return text


def _is_forbidden(character: str, controls: str) -> bool:
    is_control = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character not in controls
    return is_control or character in _DIRECTION_OVERRIDES
