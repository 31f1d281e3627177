"""Studio and the documentation as the gateway serves them, from a directory of a few files."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.gateway_world import World, gateway_world

SCRIPT = "console.log('studio');\n" * 200
S3, CDN, HOST = "https://bucket.s3.amazonaws.com", "https://cdn.example.com", "https://app.example.com"
ISSUER = {"token_url": "http://127.0.0.1:1/token", "users": []}
PAGES = {"/studio/": "Studio", "/studio/docs.html": "Docs"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make web` leaves it, with a secret beside it."""
    directory = tmp_path_factory.mktemp("web")
    dist = directory / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<title>Studio</title>")
    (dist / "docs.html").write_text("<title>Docs</title>")
    (dist / "sw.js").write_text("self.addEventListener('push', () => {});")
    (dist / "assets" / "studio-Ab12.js").write_text(SCRIPT)
    (directory / "secret.txt").write_text("not for the world")
    (dist / "assets" / "link.txt").symlink_to(directory / "secret.txt")
    return dist


@pytest_asyncio.fixture(scope="module")
async def world(built: Path) -> AsyncIterator[World]:
    async with gateway_world(
        web_directory=built,
        studio_origins=[S3, CDN],
        studio_host_origins=[HOST],
        studio_local_issuer=ISSUER,
        categories=["sports", "music"],
        cors_origins=[HOST],
    ) as opened:
        yield opened


def policy(answer: httpx.Response) -> dict[str, set[str]]:
    """The Content-Security-Policy, by directive."""
    directives = (part.split() for part in answer.headers["content-security-policy"].split(";"))
    return {name: set(sources) for name, *sources in directives}


async def test_pages_are_asked_for_again_and_files_with_a_hash_never(world: World) -> None:
    for path, title in PAGES.items():
        page = await world.http.get(path)
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
        assert page.headers["content-type"].startswith("text/html")
        assert f"<title>{title}</title>" in page.text
        again = await world.http.get(path, headers={"If-None-Match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["content-security-policy"] == page.headers["content-security-policy"]
    assert (await world.http.get("/studio/sw.js")).headers["cache-control"] == "no-cache"
    script = await world.http.get("/studio/assets/studio-Ab12.js")
    assert script.headers["cache-control"] == "max-age=31536000, immutable"
    assert "javascript" in script.headers["content-type"]
    assert script.headers["x-content-type-options"] == "nosniff"


async def test_text_travels_compressed_to_who_takes_it(world: World) -> None:
    packed = await world.http.get("/studio/assets/studio-Ab12.js")
    assert (packed.headers["content-encoding"], packed.text) == ("gzip", SCRIPT)
    assert packed.num_bytes_downloaded < len(SCRIPT) / 10
    plain = await world.http.get("/studio/assets/studio-Ab12.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == SCRIPT
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding, Origin"


async def test_head_answers_like_get_without_the_file(world: World) -> None:
    head = await world.http.head("/studio/")
    assert (head.status_code, head.content) == (200, b"")
    assert "content-security-policy" in head.headers


async def test_studio_may_load_from_itself_and_the_named_origins_alone(world: World) -> None:
    allowed = policy(await world.http.get("/studio/"))
    assert allowed["default-src"] == {"'none'"}
    assert allowed["script-src"] == allowed["style-src"] == allowed["worker-src"] == {"'self'"}
    assert allowed["connect-src"] == allowed["img-src"] == {"'self'", S3, CDN}
    assert allowed["media-src"] == {"'self'", "blob:", S3, CDN}
    assert allowed["base-uri"] == allowed["form-action"] == {"'none'"}
    assert allowed["frame-ancestors"] == {HOST}


async def test_the_documentation_may_call_the_api_alone_and_be_framed_by_nobody(world: World) -> None:
    allowed = policy(await world.http.get("/studio/docs.html"))
    assert allowed["connect-src"] == allowed["script-src"] == {"'self'"}
    assert allowed["frame-ancestors"] == {"'none'"}
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*"} & set().union(*allowed.values())


async def test_studio_is_told_how_it_is_configured(world: World) -> None:
    told = await world.http.get("/studio/config.json")
    assert told.headers["cache-control"] == "no-store"
    assert told.json() == {
        "api": "",
        "categories": ["sports", "music"],
        "local_issuer": ISSUER,
        "host_origins": [HOST],
    }


@pytest.mark.parametrize(("path", "where"), [("/docs", "/studio/docs.html"), ("/studio", "/studio/")])
async def test_a_short_address_leads_to_the_page(world: World, path: str, where: str) -> None:
    answer = await world.http.get(path)
    assert (answer.status_code, answer.headers["location"]) == (307, where)


@pytest.mark.parametrize(
    "path",
    [
        *("/studio/nothing.js", "/studio/assets/nothing.js", "/studio/assets", "/studio/assets/", "/studio/a/b/c"),
        *("/studio/%2e%2e/secret.txt", "/studio/..%2fsecret.txt", "/studio/assets/..%2f..%2fsecret.txt"),
        *("/studio//etc/passwd", "/studio/%2fetc%2fpasswd", "/studio/%00", "/studio/assets/link.txt"),
        f"/studio/{'a' * 5000}",
    ],
)
async def test_what_is_not_there_is_a_problem(world: World, path: str) -> None:
    answer = await world.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "PATH_NOT_FOUND")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"


async def test_pages_are_read_and_not_written(world: World) -> None:
    answer = await world.http.post("/studio/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_what_is_built_anew_is_served_at_once(world: World, built: Path) -> None:
    (built / "assets" / "studio-Cd34.js").write_text("new")
    assert (await world.http.get("/studio/assets/studio-Cd34.js")).text == "new"


async def test_a_page_that_asks_from_elsewhere_is_answered_as_everywhere(world: World) -> None:
    answer = await world.http.get("/studio/assets/studio-Ab12.js", headers={"Origin": HOST})
    assert answer.headers["access-control-allow-origin"] == HOST


@pytest.fixture(params=["unset", "missing", "empty"])
def no_pages(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """What is no directory with pages."""
    found: dict[str, Path | None] = {"unset": None, "missing": tmp_path / "nothing", "empty": tmp_path}
    return found[request.param]


async def test_a_gateway_without_pages_says_so(no_pages: Path | None) -> None:
    async with gateway_world(web_directory=no_pages) as world:
        for path in PAGES:
            answer = await world.http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "PATH_NOT_FOUND")
            assert "make web" in json.dumps(answer.json())
            assert "NEXTPLAY_GATEWAY_WEB_DIRECTORY" in answer.json()["detail"]
        assert (await world.http.get("/studio/assets/a.js")).json()["code"] == "PATH_NOT_FOUND"
        assert (await world.http.get("/healthz")).status_code == 200


async def test_nobody_may_frame_studio_unless_named() -> None:
    async with gateway_world(web_directory=Path(__file__).parent) as world:
        answer = await world.http.get(f"/studio/{Path(__file__).name}")
        assert policy(answer)["frame-ancestors"] == {"'none'"}
