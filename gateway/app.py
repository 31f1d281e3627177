"""The ASGI application: a route for each RPC of the contract, and the gateway's own."""

import json
from collections.abc import Mapping
from typing import Any

import grpc
import prometheus_client
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from chassis.run import Service
from chassis.telemetry import metrics_text
from gateway.calls import Answer, endpoint_answer
from gateway.contract import Contract
from gateway.observe import PROBES, observed
from gateway.openapi import document
from gateway.problems import MethodNotAllowed, PathNotFound, problem_response
from gateway.settings import Settings

CORS: dict[str, Any] = {
    "allow_methods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
    "allow_headers": ["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID"],
    "expose_headers": ["ETag", "RateLimit", "RateLimit-Policy", "Retry-After"],
}


def gateway_app(
    contract: Contract, channels: Mapping[str, grpc.aio.Channel], settings: Settings, service: Service
) -> ASGIApp:
    """The application over a channel for each context. Raises `ValueError` for a contract that it cannot serve."""
    own = _own(contract, service)
    routes = [Route(path, own) for path in (*PROBES, "/openapi.json")]
    for endpoint in contract.endpoints:
        channel = channels[endpoint.context]
        answer = endpoint_answer(endpoint, contract.comments, channel, settings, service.stopping)
        routes.append(Route(endpoint.path, answer, methods=[endpoint.verb]))
    middleware = [Middleware(observed), Middleware(CORSMiddleware, allow_origins=settings.cors_origins, **CORS)]
    app = Starlette(routes=routes, middleware=middleware, exception_handlers={HTTPException: _refused})
    app.router.redirect_slashes = False
    return app


def _own(contract: Contract, service: Service) -> Answer:
    published = json.dumps(document(contract), ensure_ascii=False)

    async def answer(request: Request) -> Response:
        match request.url.path:
            case "/healthz":
                return JSONResponse({"status": "ok"})
            case "/readyz":
                reasons = dict(await service.unready())
                body = {"status": "unready" if reasons else "ready", "reasons": reasons}
                return JSONResponse(body, 503 if reasons else 200)
            case "/metrics":
                return Response(metrics_text(), media_type=prometheus_client.CONTENT_TYPE_LATEST)
            case _:
                return Response(published, media_type="application/json")

    return answer


async def _refused(request: Request, _: Exception) -> Response:
    """The answer where no route takes the path, or none of those that do takes the verb."""
    routes = [route for route in request.app.routes if route.path_regex.match(request.url.path)]
    if not routes:
        return problem_response(PathNotFound())
    verbs = ", ".join(sorted({verb for route in routes for verb in route.methods}))
    refused = problem_response(MethodNotAllowed(f"This path takes {verbs}, not {request.method}."), 405)
    refused.headers["Allow"] = verbs
    return refused
