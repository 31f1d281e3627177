"""What operators look at in catalog, upload and notify, and the retry of failed videos, on the real tables."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import resources
from typing import TypeAlias
from uuid import uuid4

import pytest
from catalog_videos import Clip, catalog_on
from desk_of_tests import DECIDED, AtDesk, DeskSettings
from pydantic import SecretStr
from upload_world import MakeScratch

from chassis.postgres import Pool, open_pool
from chassis.settings import KafkaSettings
from operating.desk import Group
from services.catalog.commands import GROUPS as CATALOG
from services.media.commands import GROUPS as MEDIA
from services.notify.commands import GROUPS as NOTIFY
from services.upload.commands import GROUPS as UPLOAD

At: TypeAlias = Callable[[str, Mapping[str, Group]], AbstractAsyncContextManager[tuple[AtDesk, Pool]]]


@pytest.fixture
def at(scratch_schema: MakeScratch, kafka: KafkaSettings, capsys: pytest.CaptureFixture[str]) -> At:
    """Sits down at the desk of a context, and opens its tables beside."""

    @asynccontextmanager
    async def sit(context: str, groups: Mapping[str, Group]) -> AsyncIterator[tuple[AtDesk, Pool]]:
        scratch = await scratch_schema(resources.files(f"services.{context}.migrations"))
        async with open_pool(scratch.dsn, application_name=scratch.schema) as pool:
            yield AtDesk(context, DeskSettings(SecretStr(scratch.dsn), kafka), groups, capsys), pool

    return sit


async def test_failed_videos_are_listed_by_reason_and_retried_as_their_owners_would(at: At) -> None:
    failed, gone, rejected, ready = Clip(), Clip(), Clip(), Clip()
    async with at("catalog", CATALOG) as (desk, pool):
        catalog = catalog_on(pool)
        await catalog.make_ready(ready)
        for clip, end in ((failed, failed.failed()), (gone, gone.found_gone()), (rejected, rejected.rejected())):
            await catalog.claim(clip)
            await catalog.hear(clip.started(), clip.completed(), end)

        reasons = {row["reason_code"]: row for row in (await desk("videos", "reasons", "--json")).rows}
        assert {code: row["videos"] for code, row in reasons.items()} == {
            "TRANSCODER_ERROR": 1,
            "STORAGE_ERROR": 1,
            "DURATION_TOO_LONG": 1,
        }
        assert reasons["TRANSCODER_ERROR"]["for_example"] == str(failed.video_id)
        listed = (await desk("videos", "list", "--code", "STORAGE_ERROR", "--json")).rows
        assert [row["id"] for row in listed] == [str(gone.video_id)]
        listed = (await desk("videos", "list", "--status", "REJECTED_TOO_LONG", "--json")).rows
        assert [row["id"] for row in listed] == [str(rejected.video_id)]

        retried = await desk("videos", "retry", "--all", *DECIDED)
        assert retried.code == 1, "one has no original any more"
        assert f"{gone.video_id}: refused: The video is PROCESSING_FAILED and its original is not" in retried.out
        assert (await catalog.names_told(failed)).count("VideoRetryRequested") == 1
        assert (await catalog.video(failed)).generation == 2
        for other in (str(failed.video_id), str(ready.video_id), "no-id"):
            assert (await desk("videos", "retry", other, *DECIDED)).code == 1
        assert (await catalog.names_told(failed)).count("VideoRetryRequested") == 1


@pytest.mark.parametrize(
    ("context", "groups", "says"),
    [
        ("catalog", CATALOG, "The catalog has no video {video}."),
        ("media", MEDIA, "Media knows nothing of the video {video}."),
        ("notify", NOTIFY, "Notify knows nothing of the video {video} and the user {user}."),
        ("upload", UPLOAD, "Upload knows nothing of the video {video}."),
    ],
)
async def test_a_video_that_nobody_knows_is_told_and_exits_with_1(
    at: At, context: str, groups: Mapping[str, Group], says: str
) -> None:
    video, user = str(uuid4()), str(uuid4())
    async with at(context, groups) as (desk, _):
        shown = await desk("videos", "show", video, *(("--user", user) if context == "notify" else ()))
    assert (shown.code, shown.out, shown.err) == (1, "", says.format(video=video, user=user) + "\n")


async def test_a_video_of_which_only_its_deletion_is_known_is_shown(at: At) -> None:
    video = uuid4()
    async with at("notify", NOTIFY) as (desk, pool):
        await pool.execute("INSERT INTO deleted_videos (video_id) VALUES ($1)", video)
        [shown] = (await desk("videos", "show", str(video), "--user", str(uuid4()), "--json")).rows
    assert (shown["video_id"], len(shown["deleted"]), shown["notifications"]) == (str(video), 1, [])


async def test_the_ends_of_uploads_are_counted_and_findings_listed(at: At) -> None:
    async with at("upload", UPLOAD) as (desk, pool):
        await pool.execute("""
            INSERT INTO uploads (upload_id, video_id, user_id, generation, tier, filename, content_type,
                                 file_size_bytes, s3_key, s3_upload_id, status, expires_at, ended_at, wanted_generation)
            SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, 'free', '', 'video/mp4', 1, '', '',
                   'EXPIRED', now(), now() - n * interval '40 minutes', 1
            FROM generate_series(0, 2) AS n
        """)
        await pool.execute("""
            INSERT INTO reconcile_findings (kind, s3_key, s3_upload_id)
            VALUES ('unknown_object', 'uploads/a', ''), ('lost_original', 'uploads/b', '')
        """)
        [ended] = (await desk("uploads", "ended", "--minutes", "60", "--json")).rows
        assert (ended["status"], ended["uploads"]) == ("EXPIRED", 2)
        [lost] = (await desk("findings", "list", "--kind", "lost_original", "--json")).rows
        assert lost["s3_key"] == "uploads/b"
        assert len((await desk("findings", "list", "--json")).rows) == 2


async def test_pushes_are_counted_by_how_they_ended(at: At) -> None:
    async with at("notify", NOTIFY) as (desk, pool):
        await pool.execute("""
            INSERT INTO deliveries (delivery_id, notification_id, user_id, kind, actor_user_id, device_id, vendor, host,
                                    status, last_error)
            SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'video_ready', gen_random_uuid(),
                   gen_random_uuid(), 'fcm', 'push.example', 'FAILED', 'HTTP 500'
            FROM generate_series(1, 3)
        """)
        [ended] = (await desk("pushes", "ended", "--json")).rows
        assert (ended["host"], ended["last_error"], ended["deliveries"]) == ("push.example", "HTTP 500", 3)
