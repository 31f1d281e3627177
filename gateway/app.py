"""The ASGI application: a route for each RPC of the contract, and the gateway's own."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.run import Service
from chassis.status_server import status_reply
from gateway.calls import Route, endpoint_answer
from gateway.contract import Contract
from gateway.observe import PROBES, observed
from gateway.openapi import document
from gateway.pages import page_routes
from gateway.problems import MethodNotAllowed, PathNotFound, problem_response
from gateway.settings import Settings

CORS: dict[str, Any] = {
    "allow_methods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
    "allow_headers": ["Authorization", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Traceparent"],
    "expose_headers": ["ETag", "RateLimit", "Retry-After"],
}


def gateway_app(
    contract: Contract, channels: Mapping[str, grpc.aio.Channel], settings: Settings, service: Service
) -> ASGIApp:
    """The application over a channel for each context. Raises `ValueError` for a contract that it cannot serve."""
    routes = _own(contract, service) + page_routes(settings)
    for endpoint in contract.endpoints:
        answer = endpoint_answer(endpoint, contract.comments, channels[endpoint.context], settings, service.stopping)
        routes.append((endpoint.verb, endpoint.path, answer))
    app, origins = _routed(routes), settings.cors_origins
    return observed(CORSMiddleware(app, origins, **CORS) if origins else app, service.stopping)


def _own(contract: Contract, service: Service) -> list[Route]:
    published = json.dumps(document(contract), ensure_ascii=False)

    async def describe(_: Request) -> Response:
        return Response(published, media_type="application/json")

    async def tell(request: Request) -> Response:
        status, kind, body = await status_reply(request.url.path, service.unready, service.facts)
        return Response(body, status, media_type=kind)

    return [("GET", "/openapi.json", describe), *(("GET", path, tell) for path in PROBES)]


def _routed(routes: Sequence[Route]) -> ASGIApp:
    """The first template that takes a path decides about its verbs: words stand before fields, so that nothing is asked
    about an upload called `initiate`. Few routes have as many segments as a path and end like it, so few are tried."""
    by_length = defaultdict(list)
    for verb, template, answer in routes:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template.replace(".", r"\."))
        route = verb, template, template.rpartition("}")[2], re.compile(pattern), answer
        by_length[template.count("/")].append(route)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path, verb = scope["path"], "GET" if scope["method"] == "HEAD" else scope["method"]
        verbs, taken = set(), ""
        for takes, template, end, pattern, answer in by_length.get(path.count("/"), ()):
            if path.endswith(end) and taken in ("", template) and (found := pattern.fullmatch(path)):
                taken = template
                verbs.add(takes)
                if takes == verb:
                    scope.update(route=template, path_params=found.groupdict())
                    response = await answer(Request(scope, receive))
                    break
        else:
            response = _refused(scope["method"], verbs)
        await response(scope, receive, send)

    return app


def _refused(verb: str, taken: set[str]) -> Response:
    """The answer where no route takes the path, or none of those that do takes the verb."""
    if not taken:
        return problem_response(PathNotFound())
    verbs = ", ".join(sorted(taken | ({"HEAD"} if "GET" in taken else set())))
    return problem_response(MethodNotAllowed(f"This path takes {verbs}, not {verb}."), Allow=verbs)
