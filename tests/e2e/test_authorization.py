"""Who may call what: every RPC of the descriptors, by its owner, another user, nobody, wrong tokens, and services.

An RPC without a row in ROWS fails the test.
"""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from deploy.local.identity import Issuer, user_id
from deploy.local.stack import Stack
from nextplay.api.v1 import options_pb2

SERVICES = ("gateway", "upload", "media", "catalog", "notify")
NOBODY = "00000000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class World:
    """Makes what a call needs, owned by the user of one row."""

    stack: Stack
    owner: str

    def upload(self) -> dict[str, Any]:
        """A new upload of the owner."""
        reply = httpx.post(
            f"{self.stack.gateway}/v1/uploads/initiate",
            headers={"Authorization": f"Bearer {self.stack.issuer.user_token(self.owner)}"},
            json=ANNOUNCEMENT,
            timeout=20,
        )
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def upload_id(self) -> dict[str, Any]:
        return {"upload_id": self.upload()["upload_id"]}

    def device(self) -> dict[str, Any]:
        """A registered device of the owner."""
        device_id, phone = str(uuid.uuid4()), {"fcm": {"token": f"token-of-a-phone-{uuid.uuid4()}"}}
        reply = httpx.put(
            f"{self.stack.gateway}/v1/devices/{device_id}",
            headers={"Authorization": f"Bearer {self.stack.issuer.user_token(self.owner)}"},
            json=phone,
            timeout=20,
        )
        assert reply.status_code == 200, reply.text
        return {"device_id": device_id, **phone}

    def device_id(self) -> dict[str, Any]:
        return {"device_id": self.device()["device_id"]}

    def video_id(self) -> dict[str, Any]:
        return {"video_id": self.upload()["video_id"]}

    def webhook_id(self) -> dict[str, Any]:
        """A webhook of the owner."""
        return {"webhook_id": self._post("webhooks", WEBHOOK)["webhook"]["webhook_id"]}

    def webhook_delivery(self) -> dict[str, Any]:
        """A delivery to a webhook of the owner."""
        webhook = self.webhook_id()
        return {**webhook, **self._post(f"webhooks/{webhook['webhook_id']}/test", {})}

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = httpx.post(
            f"{self.stack.gateway}/v1/{path}",
            headers={"Authorization": f"Bearer {self.stack.issuer.user_token(self.owner)}"},
            json=body,
            timeout=20,
        )
        assert reply.status_code == 200, reply.text
        return dict(reply.json())


# Nobody listens there.
WEBHOOK = {"url": "http://127.0.0.1:9/hooks"}
ANNOUNCEMENT = {
    "title": "Whose is it?",
    "category": "sports",
    "filename": "clip.mp4",
    "content_type": "video/mp4",
    "file_size_bytes": 1000,
}


@dataclass(frozen=True)
class Row:
    """A valid request (its JSON), and how it ends for the owner and for another user: gRPC status names."""

    request: Callable[[World], dict[str, Any]]
    owner: str = "OK"
    other: str = "OK"


def _part(world: World) -> dict[str, Any]:
    return {**world.upload_id(), "part_number": 1, "content_length": 1000}


def _parts(world: World) -> dict[str, Any]:
    return {**world.upload_id(), "parts": [{"part_number": 1, "content_length": 1000}]}


def _claim(world: World) -> dict[str, Any]:
    return {
        "video_id": str(uuid.uuid4()),
        "upload_id": str(uuid.uuid4()),
        "user_id": str(user_id(world.owner)),
        "title": "A claim",
        "category": "sports",
        "visibility": "public",
    }


def _delivery(world: World) -> dict[str, Any]:
    return {
        "event_id": str(uuid.uuid4()),
        "event_type": "nextplay.upload.v1.NoSuchEvent",
        "event_time": "2026-01-01T00:00:00Z",
        "payload": "AAAA",
    }


def _somebody(world: World) -> dict[str, Any]:
    return {"user_id": str(user_id(f"{world.owner}-idol"))}


def _nothing(world: World) -> dict[str, Any]:
    return {}


ROWS = {
    "nextplay.upload.v1.UploadService.InitiateUpload": Row(lambda world: ANNOUNCEMENT),
    "nextplay.upload.v1.UploadService.PresignPart": Row(_part, other="NOT_FOUND"),
    "nextplay.upload.v1.UploadService.PresignParts": Row(_parts, other="NOT_FOUND"),
    "nextplay.upload.v1.UploadService.GetUpload": Row(World.upload_id, other="NOT_FOUND"),
    "nextplay.upload.v1.UploadService.ListUploads": Row(_nothing),
    "nextplay.upload.v1.UploadService.CompleteUpload": Row(
        World.upload_id, owner="FAILED_PRECONDITION", other="NOT_FOUND"
    ),
    "nextplay.upload.v1.UploadService.AbortUpload": Row(World.upload_id, other="NOT_FOUND"),
    "nextplay.upload.v1.UploadService.GetUploadState": Row(lambda world: {"video_id": NOBODY, "generation": 1}),
    "nextplay.media.v1.MediaService.GetJobState": Row(lambda world: {"video_id": NOBODY, "generation": 1}),
    "nextplay.catalog.v1.IngestService.ClaimVideoForUpload": Row(_claim),
    "nextplay.catalog.v1.IngestService.DeliverEvent": Row(_delivery, owner="INVALID_ARGUMENT"),
    "nextplay.catalog.v1.VideoService.GetVideo": Row(World.video_id, other="NOT_FOUND"),
    "nextplay.catalog.v1.VideoService.GetVideoStatus": Row(World.video_id, other="NOT_FOUND"),
    "nextplay.catalog.v1.VideoService.WatchVideo": Row(World.video_id, other="NOT_FOUND"),
    "nextplay.catalog.v1.VideoService.GetVideoTimeline": Row(World.video_id, other="NOT_FOUND"),
    "nextplay.catalog.v1.VideoService.ListVideos": Row(_nothing),
    "nextplay.catalog.v1.VideoService.ListUserVideos": Row(_somebody),
    "nextplay.catalog.v1.VideoService.UpdateVideo": Row(
        lambda world: {**world.video_id(), "title": "Another title"}, other="NOT_FOUND"
    ),
    "nextplay.catalog.v1.VideoService.RetryVideo": Row(World.video_id, owner="FAILED_PRECONDITION", other="NOT_FOUND"),
    "nextplay.catalog.v1.VideoService.DeleteVideo": Row(World.video_id, other="NOT_FOUND"),
    "nextplay.catalog.v1.PublishingService.PublishVideo": Row(
        World.video_id, owner="FAILED_PRECONDITION", other="NOT_FOUND"
    ),
    "nextplay.catalog.v1.FollowService.FollowUser": Row(_somebody),
    "nextplay.catalog.v1.FollowService.UnfollowUser": Row(_somebody),
    "nextplay.catalog.v1.FollowService.ListFollowers": Row(_somebody),
    "nextplay.catalog.v1.FollowService.ListFollowing": Row(_somebody),
    "nextplay.catalog.v1.FeedService.GetFeed": Row(_nothing),
    "nextplay.catalog.v1.FeedService.DiscoverVideos": Row(_nothing),
    "nextplay.catalog.v1.PlaybackService.GetPlaylist": Row(
        lambda world: {**world.video_id(), "playlist": "master.m3u8", "token": "wrong"},
        owner="PERMISSION_DENIED",
        other="PERMISSION_DENIED",
    ),
    "nextplay.notify.v1.DeviceService.RegisterDevice": Row(World.device, other="NOT_FOUND"),
    "nextplay.notify.v1.DeviceService.ListDevices": Row(_nothing),
    "nextplay.notify.v1.DeviceService.RemoveDevice": Row(World.device_id),
    "nextplay.notify.v1.DeviceService.GetWebPushKey": Row(_nothing),
    "nextplay.notify.v1.NotificationService.ListNotifications": Row(_nothing),
    "nextplay.notify.v1.NotificationService.MarkRead": Row(lambda world: {"notification_ids": [NOBODY]}),
    "nextplay.notify.v1.NotificationService.WatchNotifications": Row(_nothing),
    "nextplay.notify.v1.NotificationService.GetPreferences": Row(_nothing),
    "nextplay.notify.v1.NotificationService.ReplacePreferences": Row(_nothing),
    "nextplay.notify.v1.WebhookService.CreateWebhook": Row(lambda world: WEBHOOK),
    "nextplay.notify.v1.WebhookService.ListWebhooks": Row(_nothing),
    "nextplay.notify.v1.WebhookService.GetWebhook": Row(World.webhook_id, other="NOT_FOUND"),
    "nextplay.notify.v1.WebhookService.ReplaceWebhook": Row(
        lambda world: {**world.webhook_id(), **WEBHOOK}, other="NOT_FOUND"
    ),
    "nextplay.notify.v1.WebhookService.DeleteWebhook": Row(World.webhook_id),
    "nextplay.notify.v1.WebhookService.RotateWebhookSecret": Row(World.webhook_id, other="NOT_FOUND"),
    "nextplay.notify.v1.WebhookService.ListWebhookDeliveries": Row(World.webhook_id, other="NOT_FOUND"),
    "nextplay.notify.v1.WebhookService.ResendWebhookDelivery": Row(World.webhook_delivery, other="NOT_FOUND"),
    "nextplay.notify.v1.WebhookService.TestWebhook": Row(World.webhook_id, other="NOT_FOUND"),
}


def _descriptors() -> tuple[descriptor_pool.DescriptorPool, list[MethodDescriptor]]:
    """Every method of the checked-in descriptor set."""
    root = Path(__file__).parents[2]
    files = descriptor_pb2.FileDescriptorSet.FromString((root / "protos/gen/descriptors.binpb").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    methods = [
        method
        for file in files.file
        if file.package.startswith("nextplay.")
        for service in file.service
        for method in pool.FindServiceByName(f"{file.package}.{service.name}").methods
    ]
    return pool, methods


POOL, METHODS = _descriptors()
BY_NAME = pytest.mark.parametrize("method", METHODS, ids=[method.full_name for method in METHODS])


def policy(method: MethodDescriptor) -> options_pb2.Rpc:
    """The method's option, read with the generated module's extension."""
    options = descriptor_pb2.MethodOptions.FromString(method.GetOptions().SerializeToString())
    return options.Extensions[options_pb2.rpc]


def http_rule(method: MethodDescriptor) -> http_pb2.HttpRule:
    """How the gateway serves it; empty for an internal method."""
    options = descriptor_pb2.MethodOptions.FromString(method.GetOptions().SerializeToString())
    extension: Any = annotations_pb2.http  # its stub is not generic
    rule: http_pb2.HttpRule = options.Extensions[extension]
    return rule


class Answer(NamedTuple):
    """How a call ended."""

    status: str
    detail: str


def to_bytes(message: Message) -> bytes:
    return message.SerializeToString()


Call = Callable[[MethodDescriptor, dict[str, Any], str | None], Answer]


@pytest.fixture(scope="module")
def call(platform: Stack) -> Iterator[Call]:
    """Calls a method of a service directly, past the gateway, with a bearer token."""
    channels = {
        context: grpc.insecure_channel(f"127.0.0.1:{platform.ports[f'{context}-grpc']}")
        for context in ("upload", "media", "catalog", "notify")
    }

    def call(method: MethodDescriptor, request: dict[str, Any], token: str | None) -> Answer:
        service = method.containing_service
        message = json_format.ParseDict(request, message_factory.GetMessageClass(method.input_type)())
        path = f"/{service.full_name}/{method.name}"
        channel = channels[service.full_name.split(".")[1]]
        reply_type = message_factory.GetMessageClass(method.output_type)
        metadata = (("authorization", f"Bearer {token}"),) if token is not None else ()
        try:
            if method.server_streaming:
                stream = channel.unary_stream(path, to_bytes, reply_type.FromString)(
                    message, timeout=20, metadata=metadata
                )
                next(iter(stream))
                stream.cancel()
            else:
                channel.unary_unary(path, to_bytes, reply_type.FromString)(message, timeout=20, metadata=metadata)
        except grpc.RpcError as error:
            return Answer(error.code().name, error.details() or "")
        return Answer("OK", "")

    yield call
    for channel in channels.values():
        channel.close()


def wrong_tokens(issuer: Issuer, name: str) -> dict[str, str | None]:
    """Tokens that nobody may accept, by what is wrong with them."""
    right = jwt.decode(issuer.user_token(name), options={"verify_signature": False})
    kid = {"kid": issuer.jwk["kid"]}
    public = issuer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header, payload, _ = issuer.user_token(name).split(".")
    return {
        "no token": None,
        "no JWT": "not-a-token",
        "expired": issuer.user_token(name, exp=int(time.time()) - 3600),
        "of another issuer": issuer.user_token(name, iss="https://elsewhere.example"),
        "for another audience": issuer.user_token(name, aud="somebody-else"),
        "without a subject": issuer.user_token(name, sub=""),
        "whose subject is no UUID": issuer.user_token(name, sub="alice"),
        "unsigned": jwt.encode(right, "", algorithm="none", headers=kid),
        "without its signature": f"{header}.{payload}.",
        "signed by another key": jwt.encode(
            right, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers=kid
        ),
        "signed by a key nobody knows": jwt.encode(
            right, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": "unknown"}
        ),
        "signed with the public key as a secret": _hmac_with_public_key(right, public, kid),
    }


def _hmac_with_public_key(claims: dict[str, Any], public: bytes, kid: dict[str, str]) -> str:
    """What PyJWT itself refuses to make: HS256 with a PEM as the secret."""

    def encoded(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    signed = (
        encoded(json.dumps({"alg": "HS256", "typ": "JWT", **kid}).encode())
        + b"."
        + encoded(json.dumps(claims).encode())
    )
    return (signed + b"." + encoded(hmac.new(public, signed, hashlib.sha256).digest())).decode()


def row_of(method: MethodDescriptor) -> Row:
    assert method.full_name in ROWS, f"{method.full_name} has no row: say in ROWS how it ends for whom"
    return ROWS[method.full_name]


@BY_NAME
def test_an_rpc_lets_in_those_whom_its_option_names_and_nobody_else(
    method: MethodDescriptor, call: Call, platform: Stack
) -> None:
    row, option = row_of(method), policy(method)
    owner, other = f"owner-{uuid.uuid4().hex[:8]}", f"other-{uuid.uuid4().hex[:8]}"
    issuer = platform.issuer
    request = row.request(World(platform, owner))

    for wrong, token in wrong_tokens(issuer, owner).items():
        answer = call(method, request, token)
        if option.access == options_pb2.ANYONE and token is None:
            assert answer.status == row.owner, (wrong, answer)
        else:
            assert answer.status == "UNAUTHENTICATED", (wrong, answer)

    for service in SERVICES:
        answer = call(method, request, issuer.service_token(service))
        if service in option.callers:
            assert answer.status == row.owner, (service, answer)
        elif option.callers:
            assert answer.status == "PERMISSION_DENIED", (service, answer)
        else:
            assert answer.status == "UNAUTHENTICATED", (service, answer)

    if option.access == options_pb2.SERVICE:
        assert call(method, request, issuer.user_token(owner)).status == "UNAUTHENTICATED"
        for lasting in (-3600, 3600 + 60):
            wrong_for_long = issuer.service_token(option.callers[0], exp=int(time.time()) + lasting)
            assert call(method, request, wrong_for_long).status == "UNAUTHENTICATED", lasting
    else:
        assert call(method, request, issuer.user_token(other)).status == row.other
        assert call(method, request, issuer.user_token(owner)).status == row.owner


PUBLIC = [method for method in METHODS if http_rule(method).WhichOneof("pattern")]


@pytest.mark.parametrize("method", PUBLIC, ids=[method.full_name for method in PUBLIC])
def test_the_gateway_answers_401_to_every_wrong_token(method: MethodDescriptor, platform: Stack) -> None:
    row, rule = row_of(method), http_rule(method)
    owner = f"owner-{uuid.uuid4().hex[:8]}"
    request = dict(row.request(World(platform, owner)))
    verb = str(rule.WhichOneof("pattern"))
    path = getattr(rule, verb)
    for name in [name for name in request if f"{{{name}}}" in path]:
        path = path.replace(f"{{{name}}}", request.pop(name))
    for wrong, token in wrong_tokens(platform.issuer, owner).items():
        if policy(method).access == options_pb2.ANYONE and token is None:
            continue
        reply = httpx.request(
            verb.upper(),
            f"{platform.gateway}{path}",
            headers={"Authorization": f"Bearer {token}"} if token is not None else {},
            json=request if rule.body else None,
            params=None if rule.body else request,
            timeout=20,
        )
        assert reply.status_code == 401, (wrong, reply.text)
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["code"] == "UNAUTHENTICATED", wrong
        assert token is None or token not in reply.text
