"""A title, description or category is taken by upload, which first hears of it, exactly if the catalog takes it, which
changes it later. Domains import nothing of each other, so the rules are written twice; here they are held together."""

from typing import Any

import pytest

from chassis.errors import InvalidArgument
from services.catalog import characters as catalog_characters
from services.catalog.domain import wording
from services.catalog.settings import ProductSettings as CatalogSettings
from services.upload import characters as upload_characters
from services.upload.domain import announcement
from services.upload.settings import ProductSettings as UploadSettings

CATEGORIES = ("sports", "music")
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
TEXTS = [
    *("", " ", "\u3000", "a", "  trimmed  ", "Cafe\u0301", "\u00e9" * 80, "a" * 80, "a" * 81, "e\u0301" * 80),
    *(FAMILY * 80, FAMILY * 81, "\U0001f1e9\U0001f1ea" * 80, "a" + "\u0301" * 959, "a" + "\u0301" * 960),
    *("a" * 960, "a" * 961, "a" * 2000, "a" * 2001, "\u0301", "\u200b", "\u200d", "\ufe0f", "!", "$", "\u263a"),
    *(f"a{chr(code)}b" for code in (0x00, 0x07, 0x09, 0x0A, 0x0D, 0x1B, 0x7F, 0x85, 0xA0, 0xAD, 0x2028, 0x2029)),
    *(f"a{chr(code)}b" for code in (0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xD800)),
    *("line\nline", "line\r\nline", "tab\ttab", "\n", "a\n", "\ufffe", "\ue000", "\U0001f600"),
]


def by_upload(field: str, text: str) -> str | tuple[str, str]:
    """What the field becomes, or what is wrong with it."""
    told: dict[str, Any] = {"title": "A clip", "description": "", "category": "sports", field: text}
    rules = announcement.Rules(CATEGORIES, upload_characters.count_characters)
    try:
        file = announcement.announce(
            rules,
            **told,
            visibility="public",
            filename="clip.mp4",
            content_type="video/mp4",
            file_size_bytes=1,
            fingerprint=None,
            video_id=None,
        )
    except InvalidArgument as failure:
        [wrong] = failure.fields
        return wrong.field, wrong.message
    return str(getattr(file, field))


def by_catalog(field: str, text: str) -> str | tuple[str, str]:
    told: dict[str, Any] = {"title": None, "description": None, "category": None, field: text}
    rules = wording.Rules(CATEGORIES, catalog_characters.count_characters)
    try:
        change = wording.change(rules, **told, visibility=None)
    except InvalidArgument as failure:
        [wrong] = failure.fields
        return wrong.field, wrong.message
    return str(getattr(change, field))


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
@pytest.mark.parametrize("field", ["title", "description"])
def test_a_text_is_taken_changed_and_refused_alike(field: str, text: str) -> None:
    assert by_upload(field, text) == by_catalog(field, text)


@pytest.mark.parametrize("category", [*CATEGORIES, "Sports", " sports", "news", "x" * 100])
def test_a_category_is_taken_and_refused_alike(category: str) -> None:
    assert by_upload("category", category) == by_catalog("category", category)


def test_the_configured_categories_are_the_same_setting() -> None:
    of_upload, of_catalog = (settings.model_fields["categories"] for settings in (UploadSettings, CatalogSettings))
    assert (of_upload.annotation, of_upload.default) == (of_catalog.annotation, of_catalog.default)
    assert UploadSettings.model_config.get("env_prefix") == CatalogSettings.model_config.get("env_prefix")
