"""Who is told what, on the real ledger: once, whatever is repeated, killed or taken back."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from notify_world import OWNER, apply, came_to, claimed, end_leases, finish, inbox, published, told

from chassis.postgres import Pool
from nextplay.catalog.v1.catalog_events_pb2 import VideoDeleted, VideoHidden, VideoPublished
from services.notify import maintenance
from services.notify.fakes import FakeFollowers
from services.notify.ports import Begin
from services.notify.usecases import fanouts


async def test_a_ready_video_is_told_once_however_often_the_event_comes(pool: Pool, begin: Begin) -> None:
    event = came_to("READY")
    await apply(begin, event, event)
    await asyncio.gather(apply(begin, event), apply(begin, event))
    (entry,) = await inbox(pool, OWNER)
    assert (entry.kind, entry.title) == ("video_ready", "Video ready!")


async def test_each_generation_of_a_video_is_told(pool: Pool, begin: Begin) -> None:
    video_id = uuid4()
    await apply(begin, came_to("PROCESSING_FAILED", video_id=video_id))
    await apply(begin, came_to("PROCESSING_FAILED", video_id=video_id, generation=2))
    await apply(begin, came_to("READY", video_id=video_id, generation=3))
    assert [entry.kind for entry in await inbox(pool, OWNER)] == ["video_ready", "video_failed", "video_failed"]


async def test_a_rejection_carries_its_reason_into_the_inbox(pool: Pool, begin: Begin) -> None:
    await apply(begin, came_to("REJECTED_FORMAT"))
    (entry,) = await inbox(pool, OWNER)
    assert (entry.kind, entry.reason_code, entry.next_action) == (
        "video_rejected",
        "CODEC_UNSUPPORTED",
        "Convert it.",
    )
    assert "The codec is vp9." in entry.body


async def test_a_deleted_video_that_becomes_ready_is_told_to_nobody(pool: Pool, begin: Begin) -> None:
    video_id = uuid4()
    await apply(begin, VideoDeleted(video_id=str(video_id), user_id=str(OWNER)), came_to("READY", video_id=video_id))
    assert await inbox(pool, OWNER) == []


async def test_every_follower_is_told_once_over_all_pages(pool: Pool, begin: Begin) -> None:
    users = [uuid4() for _ in range(25)]
    video_id = uuid4()
    await apply(begin, published(video_id))
    await finish(begin, FakeFollowers(users, page_size=10))
    assert await told(pool, users) == [1] * 25
    (entry,) = await inbox(pool, users[0])
    assert (entry.kind, entry.video_id, entry.actor_user_id) == ("video_published", video_id, OWNER)


async def test_a_publication_that_is_told_is_not_told_again(pool: Pool, begin: Begin) -> None:
    users = [uuid4() for _ in range(3)]
    video_id = uuid4()
    followers = FakeFollowers(users)
    await apply(begin, published(video_id))
    await finish(begin, followers)
    followers.followers.append(uuid4())
    await apply(begin, published(video_id))
    await finish(begin, followers)
    assert await told(pool, followers.followers) == [1, 1, 1, 0]


@pytest.mark.parametrize(
    "event",
    [
        published(uuid4(), visibility="unlisted"),
        published(uuid4(), visibility="private"),
        published(uuid4(), notify_followers=False),
    ],
    ids=["unlisted", "private", "silent"],
)
async def test_followers_are_not_told_where_they_should_not_be(pool: Pool, begin: Begin, event: VideoPublished) -> None:
    await apply(begin, event)
    assert await fanouts.claim_fanouts(begin, "test") == []


async def test_a_killed_fanout_goes_on_with_the_page_it_had_not_written(pool: Pool, begin: Begin) -> None:
    users = [uuid4() for _ in range(30)]
    followers = FakeFollowers(users, page_size=10)
    await apply(begin, published(uuid4()))
    await fanouts.tell_followers(begin, followers, await claimed(begin))
    killed = await claimed(begin)
    assert killed.page_token == "10"
    await end_leases(pool)
    await finish(begin, followers)
    assert await told(pool, users) == [1] * 30


async def test_a_worker_that_lost_its_lease_writes_nothing(pool: Pool, begin: Begin) -> None:
    users = [uuid4()]
    followers = FakeFollowers(users)
    await apply(begin, published(uuid4()))
    slow = await claimed(begin)
    await end_leases(pool)
    successor = await claimed(begin)
    await fanouts.tell_followers(begin, followers, slow)
    assert await told(pool, users) == [0]
    await fanouts.tell_followers(begin, followers, successor)
    assert await told(pool, users) == [1]


@pytest.mark.parametrize("taken_back", [VideoHidden, VideoDeleted])
async def test_a_video_that_is_taken_back_is_told_to_nobody_else(
    pool: Pool, begin: Begin, taken_back: type[VideoHidden] | type[VideoDeleted]
) -> None:
    users = [uuid4() for _ in range(20)]
    video_id = uuid4()
    followers = FakeFollowers(users, page_size=10)
    await apply(begin, published(video_id))
    await fanouts.tell_followers(begin, followers, await claimed(begin))
    held = await claimed(begin)
    await apply(begin, taken_back(video_id=str(video_id), user_id=str(OWNER)))
    await fanouts.tell_followers(begin, followers, held)
    await end_leases(pool)
    await finish(begin, followers)
    assert await told(pool, users) == [1] * 10 + [0] * 10


async def test_a_publication_that_arrives_after_the_deletion_is_void(pool: Pool, begin: Begin) -> None:
    video_id = uuid4()
    await apply(begin, VideoDeleted(video_id=str(video_id), user_id=str(OWNER)), published(video_id))
    assert await fanouts.claim_fanouts(begin, "test") == []


@pytest.mark.parametrize("shift", [timedelta(minutes=-1), timedelta(minutes=1)])
async def test_what_arrives_later_counts_whatever_the_clocks_said(pool: Pool, begin: Begin, shift: timedelta) -> None:
    video_id, hidden = uuid4(), uuid4()
    await apply(begin, VideoHidden(video_id=str(video_id), user_id=str(OWNER)), published(hidden))
    await apply(begin, published(video_id), VideoHidden(video_id=str(hidden), user_id=str(OWNER)), shift=shift)
    assert [fanout.publication.video_id for fanout in await fanouts.claim_fanouts(begin, "test")] == [video_id]


async def test_a_deletion_that_did_not_see_the_fanout_still_ends_it(pool: Pool, begin: Begin) -> None:
    users = [uuid4()]
    video_id = uuid4()
    await apply(begin, published(video_id))
    async with begin() as tx:
        await tx.store.fanouts.delete(video_id)
    await finish(begin, FakeFollowers(users))
    assert await told(pool, users) == [0]
    assert await pool.fetchval("SELECT status FROM fanouts") == "CANCELLED"


async def test_a_video_that_is_hidden_and_shown_again_is_told_to_the_rest(pool: Pool, begin: Begin) -> None:
    users = [uuid4() for _ in range(20)]
    video_id = uuid4()
    followers = FakeFollowers(users, page_size=10)
    await apply(begin, published(video_id))
    await fanouts.tell_followers(begin, followers, await claimed(begin))
    await apply(begin, VideoHidden(video_id=str(video_id), user_id=str(OWNER)))
    await apply(begin, published(video_id), shift=timedelta(seconds=1))
    await finish(begin, followers)
    assert await told(pool, users) == [1] * 20


async def test_a_fanout_waits_while_followers_cannot_be_had(pool: Pool, begin: Begin) -> None:
    users = [uuid4()]
    followers = FakeFollowers(users)
    followers.away = True
    await apply(begin, published(uuid4()))
    await fanouts.tell_followers(begin, followers, await claimed(begin))
    assert await fanouts.claim_fanouts(begin, "test") == []
    followers.away = False
    await end_leases(pool)
    await finish(begin, followers)
    assert await told(pool, users) == [1]


async def test_a_page_token_that_is_not_known_any_more_begins_again_without_a_second_copy(
    pool: Pool, begin: Begin
) -> None:
    users = [uuid4() for _ in range(20)]
    followers = FakeFollowers(users, page_size=10)
    await apply(begin, published(uuid4()))
    await fanouts.tell_followers(begin, followers, await claimed(begin))
    followers.refuses_tokens, followers.page_size = True, 20
    await finish(begin, followers)
    assert await told(pool, users) == [1] * 20


async def test_a_large_fanout_takes_turns_with_a_small_one(pool: Pool, begin: Begin) -> None:
    large, small = uuid4(), uuid4()
    followers = FakeFollowers([uuid4() for _ in range(40)], page_size=10)
    await apply(begin, published(large))
    await apply(begin, published(small))
    first, second = await fanouts.claim_fanouts(begin, "test")
    assert (first.publication.video_id, second.publication.video_id) == (large, small)
    await fanouts.tell_followers(begin, followers, first)
    await pool.execute("UPDATE fanouts SET lease_until = now()")
    first, second = await fanouts.claim_fanouts(begin, "test")
    assert (first.publication.video_id, second.publication.video_id) == (small, large)


async def test_only_what_is_older_than_it_is_kept_is_deleted(pool: Pool, begin: Begin) -> None:
    await apply(begin, came_to("READY"), came_to("READY"), came_to("READY"))
    old, *kept = await inbox(pool, OWNER)
    await pool.execute(
        "UPDATE notifications SET created_at = now() - interval '91 days' WHERE notification_id = $1",
        old.notification_id,
    )
    assert await maintenance.delete_old_notifications(begin, 90) == {"notifications": 1}
    assert await inbox(pool, OWNER) == kept
    assert await maintenance.delete_old_notifications(begin, 90) == {"notifications": 0}


async def test_old_notifications_are_deleted_in_portions_until_none_is_left(
    pool: Pool, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "AT_ONCE", 2)
    await apply(begin, *(came_to("READY") for _ in range(5)))
    await pool.execute("UPDATE notifications SET created_at = $1", datetime(2020, 1, 1, tzinfo=UTC))
    assert await maintenance.delete_old_notifications(begin, 90) == {"notifications": 5}


async def test_the_login_role_cannot_change_the_tables(pool: Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("DROP TABLE notifications")
