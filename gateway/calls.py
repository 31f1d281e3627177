"""RPCs on behalf of HTTP requests: read, called within a deadline, and answered as JSON, events or a problem."""

import asyncio
import hashlib
import json
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import grpc
from sse_starlette import EventSourceResponse
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from chassis.errors import Failure, FieldViolation, Internal, InvalidArgument, Unavailable
from chassis.grpc_client import call_span, failure_from
from chassis.telemetry import logger
from chassis.tracing import carried
from gateway.contract import HTTP_BODY, Comments, Endpoint
from gateway.printing import printed
from gateway.problems import CLIENT_CLOSED_REQUEST, BodyTooSlow, problem, problem_response
from gateway.requests import request_reader
from gateway.server import ON_HANG_UP
from gateway.settings import Settings

FIRST_MESSAGE_SECONDS, SLOW_READER_SECONDS = 1.0, 30.0

Answer = Callable[[Request], Awaitable[ASGIApp]]
Route = tuple[str, str, Answer]
"""A verb, the template of paths, and who answers it there."""

log = logger(__name__)
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def endpoint_answer(
    endpoint: Endpoint, comments: Comments, channel: grpc.aio.Channel, settings: Settings, stopping: asyncio.Event
) -> Answer:
    """What answers the requests of an endpoint, come what may. Raises `ValueError` for a message without a schema."""
    read, streams = request_reader(endpoint, comments, settings.body_seconds), endpoint.method.server_streaming
    open_rpc = channel.unary_stream if streams else channel.unary_unary
    rpc = open_rpc(f"/{endpoint.grpc_path}", endpoint.request.SerializeToString, endpoint.reply.FromString)
    seconds = settings.stream_seconds if streams else settings.unary_seconds

    async def answer(request: Request) -> Response:
        try:
            known, message = _metadata(request), await read(request)
            with call_span(endpoint.grpc_path, message, told=endpoint.verb != "GET"):
                call = rpc(message, timeout=seconds, metadata=grpc.aio.Metadata(*known, *carried().items()))
                if streams:
                    return await _stream(call, stopping, settings.heartbeat_seconds)
                return _rendered(request, endpoint, await _reply(call, request))
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        except BodyTooSlow as failure:
            return problem_response(failure, Connection="close")
        except Failure as failure:
            return problem_response(failure)
        except grpc.aio.AioRpcError as error:
            return problem_response(failure_from(error))
        except Exception as error:
            log.error("request_broke", cause=error)
            return problem_response(Internal())

    return answer


def _metadata(request: Request) -> list[tuple[str, str]]:
    """What travels on, beside the trace: who calls, and the idempotency key."""
    given = {name: value.decode("latin-1") for name, value in request.scope["headers"]}
    key = given.get(b"idempotency-key")
    if key is not None and (wrong := _wrong_in_key(key)):
        rule = f"must be 1 to 255 printable ASCII characters, {wrong}"
        raise InvalidArgument(fields=[FieldViolation("Idempotency-Key", rule)])
    sent = {"authorization": given.get(b"authorization"), "idempotency-key": key}
    # An Authorization that cannot be a token is not sent, so that the service answers as it does without one.
    return [(name, value) for name, value in sent.items() if value and re.fullmatch("[ -~]{1,8192}", value)]


def _wrong_in_key(key: str) -> str | None:
    if other := re.search("[^ -~]", key):
        kind = "a character outside ASCII" if other[0] > "~" else "a control character"
        return f"has {kind} (byte 0x{ord(other[0]):02X}) at position {other.start() + 1:,}"
    return None if 1 <= len(key) <= 255 else f"is {len(key):,} characters long"


async def _reply(call: Any, request: Request) -> Any:
    """The reply of a unary call, which is cancelled when its caller hangs up."""
    request.scope[ON_HANG_UP] = call.cancel
    try:
        return await call
    except asyncio.CancelledError:
        if cast("asyncio.Task[Any]", asyncio.current_task()).cancelling():
            raise
        raise ClientDisconnect from None


def _rendered(request: Request, endpoint: Endpoint, reply: Any) -> Response:
    if not endpoint.method.output_type.fields:
        return Response(status_code=204)
    if endpoint.method.output_type.full_name == HTTP_BODY:
        values, body, media_type = dict[str, Any](), reply.data, reply.content_type
    else:
        values = printed(reply)
        body, media_type = _ENCODE(values).encode(), "application/json"
    if endpoint.verb != "GET":
        return Response(body, media_type=media_type)
    etag = _etag(values, body)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    known = request.headers.get("if-none-match")
    if known and {tag.strip().removeprefix("W/") for tag in known.split(",")} & {etag.removeprefix("W/"), "*"}:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def _etag(values: dict[str, Any], body: bytes) -> str:
    """Names what the body tells: its bytes, or weakly those without `server_time`, which differs at every read."""
    weak = values.pop("server_time", None) is not None
    told = _ENCODE(values).encode() if weak else body
    return f'{"W/" if weak else ""}"{hashlib.blake2b(told, digest_size=16).hexdigest()}"'


async def _stream(call: Any, stopping: asyncio.Event, heartbeat_seconds: float) -> Response:
    """The messages of a call as server-sent events. A call that fails within its first second is raised instead, so
    that its caller gets a status and a problem; one that ends in it without a message is 204."""
    answering = cast("asyncio.Task[Any]", asyncio.current_task())
    answering.add_done_callback(lambda _: call.cancel())  # however the answer ends, also before its first event
    if stopping.is_set():
        raise Unavailable("This gateway is stopping; another one goes on.", retry_after=1)
    first = asyncio.ensure_future(call.read())
    await asyncio.wait([first], timeout=FIRST_MESSAGE_SECONDS)
    if first.done() and first.result() is grpc.aio.EOF:
        # EventSource reconnects after an empty stream, for ever; 204 is how a server tells it not to.
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    options: dict[str, Any] = {"sep": "\n", "ping": heartbeat_seconds, "send_timeout": SLOW_READER_SECONDS}
    options["ping_message_factory"] = lambda: {"comment": "heartbeat"}
    return EventSourceResponse(_events(call, first, stopping), **options)


async def _events(call: Any, first: Awaitable[Any], stopping: asyncio.Event) -> AsyncIterator[dict[str, Any]]:
    stop = asyncio.create_task(stopping.wait())
    stop.add_done_callback(lambda _: call.cancel())
    # Spread, because all clients of an instance are told at once.
    resume: dict[str, Any] = {"comment": "resume with Last-Event-ID", "retry": random.randint(500, 3000)}  # noqa: S311 - spreads who comes again
    try:
        message = await first
        while message is not grpc.aio.EOF:
            yield {"data": _ENCODE(printed(message)), "id": str(message.sequence)}
            message = await call.read()
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
        yield resume
    except grpc.aio.AioRpcError as error:
        over = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        yield resume if over else resume | {"event": "error", "data": json.dumps(problem(failure_from(error)))}
    finally:
        stop.cancel()
