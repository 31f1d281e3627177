"""The public RPCs, read from the descriptor set: all that the gateway knows of the services behind it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.api import annotations_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from nextplay.api.v1 import options_pb2

DESCRIPTORS = Path(__file__).resolve().parent.parent / "protos" / "gen" / "descriptors.binpb"
COMMENTS = DESCRIPTORS.with_name("comments.json")
HTTP_BODY = "google.api.HttpBody"  # the reply that is the HTTP body itself, with its content type
Comments = Mapping[str, str]
"""Comment by full name; an enum's values are named below it (`nextplay.catalog.v1.Video.Status.READY`)."""

_HTTP: Any = annotations_pb2.http
_TEMPLATE = re.compile(r"(/[a-z0-9._-]+|/\{[a-z][a-z0-9_]*\})+")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An RPC that has a `google.api.http` annotation.

    The path binds `path_fields` of the request; `other_fields` travel in the body, or in the query if there is none.
    `context` serves it: `upload` of `nextplay.upload.v1`, at `grpc_path`, `nextplay.upload.v1.UploadService/GetUpload`.
    """

    verb: str
    path: str
    has_body: bool
    path_fields: Sequence[FieldDescriptor]
    other_fields: Sequence[FieldDescriptor]
    request: type[Message]
    reply: type[Message]
    method: MethodDescriptor
    rpc: options_pb2.Rpc
    context: str
    grpc_path: str


@dataclass(frozen=True, slots=True)
class Contract:
    """Every public RPC, a path before templates that would match it too, and every comment."""

    endpoints: Sequence[Endpoint]
    comments: Comments


def read_contract(descriptors: bytes, comments: Comments | None = None) -> Contract:
    """The contract of a serialized descriptor set that holds its imports; by default with the generated comments.

    Raises `ValueError` naming an RPC whose annotation the gateway does not translate.
    """
    files, pool = FileDescriptorSet.FromString(descriptors).file, DescriptorPool()
    for file in files:
        pool.Add(file)
    services = [service for file in files for service in pool.FindFileByName(file.name).services_by_name.values()]
    methods = [method for service in services for method in service.methods]
    endpoints = [_endpoint(method) for method in methods if method.GetOptions().HasExtension(_HTTP)]
    endpoints.sort(key=lambda endpoint: [(part.startswith("{"), part) for part in endpoint.path.split("/")])
    return Contract(endpoints, comments or json.loads(COMMENTS.read_bytes()))


def _endpoint(method: MethodDescriptor) -> Endpoint:
    rule, rpc = method.GetOptions().Extensions[_HTTP], method.GetOptions().Extensions[options_pb2.rpc]
    verb = rule.WhichOneof("pattern")
    path = getattr(rule, verb) if verb in ("get", "put", "post", "delete", "patch") else ""
    plain = rule.body in ("", "*") and not (rule.response_body or rule.additional_bindings or method.client_streaming)
    if not (plain and _TEMPLATE.fullmatch(path)) or (method.server_streaming and verb != "get"):
        told = "one verb, a path of words and {field}s, the body '*' or none, and streams as replies to GET"
        raise ValueError(f"{method.full_name}: the gateway translates {told}")
    request, service = method.input_type, method.containing_service
    bound = [request.fields_by_name[name] for name in re.findall(r"\{(\w+)\}", path)]
    others = [field for field in request.fields if field not in bound]
    shape = verb.upper(), path, rule.body == "*", bound, others
    types = GetMessageClass(request), GetMessageClass(method.output_type), method, rpc
    return Endpoint(*shape, *types, service.file.package.split(".")[1], f"{service.full_name}/{method.name}")
