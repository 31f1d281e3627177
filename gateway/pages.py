"""Studio and the API's documentation: the files that `make web` builds, and what their pages are allowed to load."""

from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from gateway.calls import Answer, Route
from gateway.problems import PathNotFound, problem_response
from gateway.settings import Settings

DOCS = "docs.html"
OWN = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'"
NOT_BUILT = "This gateway has no pages: NEXTPLAY_GATEWAY_WEB_DIRECTORY names no directory that `make web` filled."


def page_routes(settings: Settings) -> list[Route]:
    """Who answers at /docs and below /studio/. What is built anew is served at once; nothing is kept in memory."""
    files = StaticFiles(directory=settings.web_directory, check_dir=False)
    hosts, frames = " ".join(["'self'", *settings.studio_origins]), " ".join(settings.studio_host_origins) or "'none'"
    docs_policy = f"{OWN}; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'"
    studio_policy = f"{OWN}; worker-src 'self'; manifest-src 'self'; frame-ancestors {frames}"
    studio_policy += f"; connect-src {hosts}; img-src {hosts}; media-src {hosts} blob:"
    config = {"api": "", "categories": settings.categories, "local_issuer": settings.studio_local_issuer}

    async def configure(_: Request) -> Response:
        return JSONResponse(config | {"host_origins": settings.studio_host_origins})

    async def redirect(request: Request) -> Response:
        return RedirectResponse(f"/studio/{DOCS if request.url.path == '/docs' else ''}")

    async def answer(request: Request) -> ASGIApp:
        name = request.scope["path"].removeprefix("/studio/") or "index.html"
        try:
            response = await files.get_response(name, request.scope)
        except HTTPException:
            return problem_response(PathNotFound(NOT_BUILT if name in ("index.html", DOCS) else None))
        response.headers["Content-Security-Policy"] = docs_policy if name == DOCS else studio_policy
        # The names below assets/ change with what is in the files.
        response.headers["Cache-Control"] = "max-age=31536000, immutable" if "/" in name else "no-cache"
        return GZipMiddleware(response)

    routes: dict[str, Answer] = {"/docs": redirect, "/studio": redirect, "/studio/config.json": configure}
    routes |= dict.fromkeys(["/studio/", "/studio/{file}", "/studio/assets/{file}"], answer)
    return [("GET", path, who) for path, who in routes.items()]
