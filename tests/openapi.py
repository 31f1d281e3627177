"""Checks real answers against what `/openapi.json` promises.

    answer = httpx.get(f"{platform.gateway}/v1/uploads/{upload_id}", headers=...)
    assert_matches_openapi(answer)

More is asked of replies than clients may rely on: a field that is not described is a mistake too.
"""

import functools
import json
import re
from typing import Any

import httpx
import jsonschema_rs

from gateway.contract import DESCRIPTORS, read_contract
from gateway.openapi import document

Json = dict[str, Any]


@functools.cache
def published() -> Json:
    """The document that the gateway publishes."""
    return document(read_contract(DESCRIPTORS.read_bytes()))


def assert_matches_openapi(answer: httpx.Response, described: Json | None = None) -> None:
    """Fail unless the operation may answer with this status, content type and body, and with these headers.

    The events of a stream are checked one by one. `described` is the document, where it is not the published one.
    """
    described = described or published()
    responses = operation(answer.request.method, answer.request.url.path, described)["responses"]
    where = f"{answer.request.method} {answer.request.url.path} → {answer.status_code}"
    assert str(answer.status_code) in responses, f"{where}: described are {sorted(responses)}; {answer.text}"
    response = _resolved(responses[str(answer.status_code)], described)
    for name in response.get("headers", {}):
        assert name in answer.headers, f"{where}: the header {name} is missing"
    content = response.get("content")
    if content is None or answer.request.method == "HEAD":
        assert not answer.content, f"{where}: a body is not described: {answer.text}"
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in content or "*/*" in content, f"{where}: {media_type} is not described"
    schema = content.get(media_type, {}).get("schema")
    if media_type == "text/event-stream":
        for name, data in events(answer.text):
            problem = {"$ref": "#/components/schemas/Problem"}
            assert_valid(data, problem if name == "error" else schema, described, where)
    elif schema is not None:
        assert_valid(answer.json(), schema, described, where)


def operation(verb: str, path: str, described: Json) -> Json:
    """The described operation that takes a path; words come before templates, and HEAD is GET without the body."""
    verb = verb.lower().replace("head", "get")
    for template in sorted(described["paths"], key=lambda template: template.replace("{", "~")):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and verb in described["paths"][template]:
            return dict(described["paths"][template][verb])
    raise AssertionError(f"{verb} {path} is not described")


def events(text: str) -> list[tuple[str, Any]]:
    """The name and the data of each event in the text of a stream."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":") and line)
        if "data" in fields:
            found.append((fields.get("event", "message"), json.loads(fields["data"])))
    return found


def assert_valid(value: Any, schema: Json, described: Json, where: str) -> None:
    """Fail unless the value follows a schema of the document, without any name that it does not describe."""
    closed = json.loads(json.dumps(described["components"]["schemas"]))
    for component in closed.values():
        component.setdefault("additionalProperties", False)
    root = {**schema, "components": {"schemas": closed}}
    errors = jsonschema_rs.Draft202012Validator(root, validate_formats=True).iter_errors(value)
    wrong = [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in errors]
    assert not wrong, f"{where}: {wrong}; {value}"


def _resolved(node: Json, described: Json) -> Json:
    if "$ref" not in node:
        return node
    for part in node["$ref"].removeprefix("#/").split("/"):
        described = described[part]
    return described
