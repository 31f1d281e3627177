"""`/openapi.json`: the description of the public API, with the very schemas that requests are validated against."""

import json
import re
from pathlib import Path
from typing import Any

from chassis.errors import Kind
from gateway.contract import HTTP_BODY, Comments, Contract, Endpoint
from gateway.problems import PROBLEM_TYPE, BodyTooSlow
from gateway.schema import publish_reply, request_schema
from nextplay.api.v1 import options_pb2

BASE = Path(__file__).with_name("openapi.base.json")  # what does not come from the protos
ALWAYS = {Kind.INVALID_ARGUMENT, Kind.INTERNAL, Kind.UNAVAILABLE, Kind.DEADLINE_EXCEEDED}
EVENTS = "Server-sent events: `data:` is such an object, `id:` its sequence; the data of `event: error` is a Problem."

Json = dict[str, Any]


def document(contract: Contract) -> Json:
    """The OpenAPI 3.1 document. Messages are published under their short names."""
    made: Json = json.loads(BASE.read_bytes()) | {"paths": {}}
    for endpoint in contract.endpoints:
        operation = _operation(endpoint, contract.comments, made["components"]["schemas"])
        made["paths"].setdefault(endpoint.path, {})[endpoint.verb.lower()] = operation
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for kind in Kind:
        _, _, told = contract.comments[f"nextplay.api.v1.ErrorKind.{kind.name}"].partition(": ")  # after the status
        made["components"]["responses"].setdefault(kind.name, {}).update(description=told, content=content)
    return made


def _operation(endpoint: Endpoint, comments: Comments, schemas: Json) -> Json:
    method, told = endpoint.method, comments.get(endpoint.method.full_name, "")
    in_query = [] if endpoint.has_body else endpoint.other_fields
    parameters = request_schema([*endpoint.path_fields, *in_query], comments)
    headers = {"POST": ["Idempotency-Key"], "GET": ["Last-Event-ID" if method.server_streaming else "If-None-Match"]}
    operation: Json = {
        "operationId": method.name,
        "summary": re.split(r"(?<=\.) ", told)[0],
        "description": told,
        "tags": [method.containing_service.name],
        "security": [{"bearer": []}] if endpoint.rpc.access != options_pb2.ANYONE else [],
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in headers.get(endpoint.verb, [])],
        "responses": _success(endpoint, comments, schemas) | _failures(endpoint),
    }
    for name, schema in parameters["properties"].items():
        place = "path" if f"{{{name}}}" in endpoint.path else "query"
        required, about = name in parameters["required"], schema["description"]
        parameter = {"name": name, "in": place, "required": required, "description": about, "schema": schema}
        operation["parameters"].append(parameter)
    if endpoint.has_body:
        schema = schemas[method.input_type.name] = request_schema(endpoint.other_fields, comments)
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{method.input_type.name}"}}}
        operation["requestBody"] = {"required": bool(schema["required"]), "content": content}
    return operation


def _success(endpoint: Endpoint, comments: Comments, schemas: Json) -> Json:
    reply, streams = endpoint.method.output_type, endpoint.method.server_streaming
    if not reply.fields:
        return {"204": {"$ref": "#/components/responses/DONE"}}
    is_body, media = reply.full_name == HTTP_BODY, "text/event-stream" if streams else "application/json"
    content = {"*/*": {}} if is_body else {media: {"schema": publish_reply(reply, comments, schemas)}}
    answer: Json = {"description": EVENTS if streams else "The answer.", "content": content}
    if streams:
        return {"200": answer, "204": {"$ref": "#/components/responses/SEEN"}}
    if endpoint.verb != "GET":
        return {"200": answer}
    etag = {"headers": {"ETag": {"$ref": "#/components/headers/ETag"}}}
    return {"200": answer | etag, "304": {"$ref": "#/components/responses/NOT_MODIFIED"}}


def _failures(endpoint: Endpoint) -> Json:
    kinds = ALWAYS | {Kind[options_pb2.ErrorKind.Name(kind)] for kind in endpoint.rpc.fails}
    kinds |= {Kind.UNAUTHENTICATED} if endpoint.rpc.access != options_pb2.ANYONE else set()
    kinds |= {Kind.NOT_FOUND} if endpoint.path_fields else set()  # a field with a slash in it is no path of ours
    kinds |= {Kind.TOO_LARGE, Kind.UNSUPPORTED_TYPE} if endpoint.has_body else set()
    named = {str(kind.http_status): kind.name for kind in Kind if kind in kinds}
    named |= {"408": BodyTooSlow.code} if endpoint.has_body else {}
    return {status: {"$ref": f"#/components/responses/{name}"} for status, name in sorted(named.items())}
