"""Writes `nextplay_client/types/` from `/openapi.json`, so that the replies are typed as the platform describes them.

    curl -s http://localhost:8080/openapi.json > openapi.json
    python clients/python/generate/make_types.py openapi.json

Which schema has which name here, and in which module it stands, is said below; fields, words and what is told of them
come from the document.
"""

import json
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TYPES = Path(__file__).parents[1] / "src" / "nextplay_client" / "types"
Json = dict[str, Any]

# Schemas with the same fields have the same name.
MODULES: Mapping[str, Mapping[str, str]] = {
    "uploads": {
        "InitiateUploadResponse": "Initiated",
        "Header": "Header",
        "PresignPartResponse": "PresignedPart",
        "PresignPartsResponse": "PresignedParts",
        "ReceivedPart": "ReceivedPart",
        "GetUploadResponse": "Upload",
        "UploadSummary": "UploadSummary",
        "ListUploadsResponse": "UploadPage",
        "CompleteUploadResponse": "Completed",
    },
    "videos": {
        "Reason": "Reason",
        "GetVideoStatusResponse": "Status",
        "WatchVideoResponse": "Status",
        "VideoAsset": "Asset",
        "GetVideoResponse": "Video",
        "VideoSummary": "VideoSummary",
        "ListVideosResponse": "VideoPage",
        "ListUserVideosResponse": "VideoPage",
        "GetFeedResponse": "VideoPage",
        "DiscoverVideosResponse": "VideoPage",
        "PublishVideoResponse": "Published",
        "UpdateVideoResponse": "Updated",
        "RetryVideoResponse": "Retried",
        "Fact": "Fact",
        "TimelineEntry": "TimelineEntry",
        "GetVideoTimelineResponse": "Timeline",
    },
    "follows": {"Follow": "Follow", "ListFollowersResponse": "FollowerPage", "ListFollowingResponse": "FollowingPage"},
    "notifications": {
        "Notification": "Notification",
        "ListNotificationsResponse": "NotificationPage",
        "MarkReadResponse": "MarkedRead",
        "WatchNotificationsResponse": "WatchedNotification",
        "Preference": "Preference",
        "GetPreferencesResponse": "Preferences",
        "ReplacePreferencesResponse": "Preferences",
    },
    "devices": {
        "Device": "Device",
        "RegisterDeviceResponse": "RegisteredDevice",
        "ListDevicesResponse": "DeviceList",
        "GetWebPushKeyResponse": "WebPushKey",
    },
    "webhooks": {
        "Webhook": "Webhook",
        "CreateWebhookResponse": "CreatedWebhook",
        "ListWebhooksResponse": "WebhookList",
        "GetWebhookResponse": "FoundWebhook",
        "ReplaceWebhookResponse": "FoundWebhook",
        "Attempt": "Attempt",
        "WebhookDelivery": "Delivery",
        "ListWebhookDeliveriesResponse": "DeliveryPage",
        "RotateWebhookSecretResponse": "RotatedSecret",
        "ResendWebhookDeliveryResponse": "StartedDelivery",
        "TestWebhookResponse": "StartedDelivery",
    },
}
NAMES = {schema: name for named in MODULES.values() for schema, name in named.items()}
# A list of words is known by its first one.
WORDS = {
    "INITIATED": "UploadStatus",
    "DRAFT": "VideoStatus",
    "public": "Visibility",
    "upload": "Action",
    "video_ready": "NotificationKind",
    "in_app": "Channel",
    "web_push": "Vendor",
    "BY_OWNER": "DisabledReason",
    "PENDING": "DeliveryStatus",
}
MADE = '"""What `/openapi.json` says of {}: made by generate/make_types.py, not by hand."""\n'
SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


def make_types(document: Json) -> dict[str, str]:
    """The modules of the package by file name, not yet formatted."""
    schemas = document["components"]["schemas"]
    missing = {name for name in schemas if not name.endswith("Request")} - {"Problem", *NAMES}
    if missing:
        raise SystemExit(f"Name these in MODULES: {', '.join(sorted(missing))}")
    files = {f"{module}.py": _module(module, named, schemas) for module, named in MODULES.items()}
    files["words.py"] = _words(schemas[name] for name in NAMES)
    return files | {"__init__.py": _package(files)}


def _module(module: str, named: Mapping[str, str], schemas: Json) -> str:
    # Of schemas that share a name the first one is told of.
    first = {name: schema for schema, name in reversed(list(named.items()))}
    body = "\n\n\n".join(_class(name, schemas[first[name]]) for name in dict.fromkeys(named.values()))
    typing = [name for name in ("NotRequired", "TypedDict") if name in body]
    words = [name for name in sorted(WORDS.values()) if re.search(rf"\b{name}\b", body)]
    imported = f"\n\nfrom nextplay_client.types.words import {', '.join(words)}" if words else ""
    return f"{MADE.format(module)}\nfrom typing import {', '.join(typing)}{imported}\n\n\n{body}\n"


def _words(schemas: Iterable[Json]) -> str:
    fields = [field for schema in schemas for field in schema["properties"].values()]
    lists = [values for field in fields if (values := field.get("enum") or field.get("items", {}).get("enum"))]
    told = {WORDS[values[0]]: ", ".join(f'"{value}"' for value in values) for values in lists}
    lines = [f"{name} = Literal[{values}]" for name, values in sorted(told.items())]
    return "\n".join([MADE.format("its words"), "from typing import Literal", "", *lines, ""])


def _class(name: str, schema: Json) -> str:
    fields = [
        f"{_comment(field['description'])}    {key}: {_optional(_type(field), key in schema['required'])}"
        for key, field in schema["properties"].items()
    ]
    return f'class {name}(TypedDict):\n    """{schema["description"]}"""\n\n' + "\n".join(fields)


def _comment(description: str) -> str:
    """What is told of a field, without the list of its words."""
    told = " ".join(description.split("\n- `")[0].split())
    return "".join(f"    # {line}\n" for line in textwrap.wrap(told, 114))


def _optional(kind: str, required: bool) -> str:
    return kind if required else f"NotRequired[{kind}]"


def _type(field: Json) -> str:
    if "$ref" in field:
        return NAMES[field["$ref"].rpartition("/")[2]]
    if "enum" in field:
        return WORDS[field["enum"][0]]
    if field["type"] == "array":
        return f"list[{_type(field['items'])}]"
    return SCALARS[field["type"]]


def _package(files: Mapping[str, str]) -> str:
    exported = {
        file.removesuffix(".py"): sorted(
            re.findall(r"^(?:class )?([A-Z]\w+)(?:\(TypedDict\):| = )", text, re.MULTILINE)
        )
        for file, text in files.items()
    }
    lines = [
        '"""The replies of the REST API as typed dictionaries: made by generate/make_types.py, not by hand.',
        "",
        "Times are RFC 3339 strings in UTC, sizes are in bytes, durations in milliseconds, ids UUIDs as strings.",
        '"""',
        "",
    ]
    for module, names in sorted(exported.items()):
        lines += [f"from nextplay_client.types.{module} import (", *(f"    {name}," for name in names), ")"]
    every = sorted({name for names in exported.values() for name in names})
    return "\n".join([*lines, "", "__all__ = [", *(f'    "{name}",' for name in every), "]", ""])


def main() -> None:
    TYPES.mkdir(exist_ok=True)
    for name, text in make_types(json.loads(Path(sys.argv[1]).read_text())).items():
        (TYPES / name).write_text(text)


if __name__ == "__main__":
    main()
