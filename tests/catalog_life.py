"""A life of a video in which everybody acts at once, through the real use cases, stopped before and after every call of
a port: there somebody else goes on, or a process dies and what it did is done again."""

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import Message

from chassis.consumer import Handler, apply_once
from chassis.errors import Failure
from chassis.events import EventMeta
from nextplay.analytics.v1 import analytics_events_pb2
from nextplay.catalog.v1 import catalog_events_pb2
from services.catalog.consumers.facts import media_handlers, upload_handlers
from services.catalog.domain.commands import Description, Publication
from services.catalog.domain.video import Asset, Status, Video, Visibility
from services.catalog.fakes.store import MemoryCatalog
from services.catalog.ports import Begin, Store
from services.catalog.usecases import lifecycle
from services.catalog.usecases.ingest import CONSUMER, Claimant, claim_video, deliver_event
from services.catalog.usecases.publishing import publish_video
from tests.catalog_history import (
    NOW,
    OWNER,
    VIDEO,
    Generation,
    Sent,
    assert_legal,
    media_tells,
    upload_id_of,
    upload_tells,
)

CRASHES_FROM = 950
"""Of decisions from 0 to 999, those from here on are crashes."""

STEPS: Mapping[type[Message], Sequence[str]] = {
    analytics_events_pb2.ProcessingQueued: ["UPLOADED"],
    analytics_events_pb2.ProcessingStarted: ["PROCESSING"],
    analytics_events_pb2.ProcessingCompleted: ["READY", "REJECTED_TOO_LONG", "REJECTED_FORMAT", "PROCESSING_FAILED"],
    analytics_events_pb2.PublishCompleted: ["PUBLISHED"],
    analytics_events_pb2.DeleteCompleted: ["DELETED"],
}
"""What analysts are told, and at which statuses."""

TOLD = Description("A clip", "", "sports", Visibility.PUBLIC)
WHEN_READY = Publication(when_ready=True)

Handlers = Mapping[type[Message], Handler[Store]]
Apply = Callable[[Begin, str, EventMeta, Message, Handler[Store]], Awaitable[bool]]


def real_handlers() -> Handlers:
    return {**upload_handlers(lambda: NOW), **media_handlers(lambda: NOW)}


class Crash(BaseException):
    """The process is gone: nothing after this is done, nothing of the open transaction is kept."""


@dataclass(frozen=True)
class Pause:
    """A call before or after which its caller stands still, until it may go on and is told to."""

    call: str
    may_go: Callable[[], bool]

    def __await__(self) -> Generator["Pause", None, None]:
        yield self


async def pause(call: str, may_go: Callable[[], bool] = lambda: True) -> None:
    await Pause(call, may_go)


@dataclass
class Actor:
    """Somebody in the middle of something."""

    doing: Coroutine[Pause, None, None]
    at: Pause

    def go_on(self) -> bool:
        """As far as the next pause; False at the end."""
        try:
            self.at = self.doing.send(None)
        except StopIteration:
            return False
        return True

    def crash(self) -> None:
        try:
            self.doing.throw(Crash())
        except Crash:
            return
        raise AssertionError("the crash was caught")


@dataclass
class Life:
    """The owner, the consumers of both topics, upload that hands its events over early, and repeats of what was heard.

    `decisions` say in turn who goes on and who crashes; when there are no more, each goes on to its end, upload's facts
    before media's and a generation before the next.
    """

    plans: Sequence[Generation]
    decisions: Iterator[int]
    deletes: bool = False
    wishes_at_any_time: bool = False
    apply: Apply = apply_once
    handlers: Handlers = field(default_factory=real_handlers)
    catalog: MemoryCatalog = field(default_factory=lambda: MemoryCatalog(pause))

    def __post_init__(self) -> None:
        self.number = 0
        self.upload: deque[Sent] = deque()
        self.media: deque[Sent] = deque()
        self.handed: deque[Sent] = deque()
        self.heard: list[Sent] = []
        self.actors: dict[str, Actor] = {}

    @property
    def video(self) -> Video:
        video = self.catalog.video(VIDEO)
        assert video
        return video

    @property
    def assets(self) -> Sequence[Asset]:
        return self.catalog.assets(VIDEO)

    def told(self, event_type: type[Message]) -> list[Message]:
        name = event_type.DESCRIPTOR.full_name
        return [event_type.FromString(data) for _, headers, data in self.catalog.outbox if headers["ce_type"] == name]

    def live(self) -> "Life":
        """To the end."""
        while self.actors or self.upload or self.media or self.number < len(self.plans):
            going = [name for name, actor in self.actors.items() if actor.at.may_go()]
            choices = [*going, *self._idle()]
            assert choices, f"nobody can go on: {self.actors}"
            decision = next(self.decisions, 0)
            self._move(choices[decision % len(choices)], crashes=decision >= CRASHES_FROM)
        return self

    def _idle(self) -> list[str]:
        has_work = {
            "upload": self.upload,
            "media": self.media,
            "owner": self.number < len(self.plans),
            "early": self.handed,
            "repeat": self.heard,
            "wish": self.wishes_at_any_time and self.number,
            "delete": self.deletes and self.number,
        }
        return [name for name, work in has_work.items() if work and name not in self.actors]

    def _move(self, name: str, *, crashes: bool) -> None:
        actor = self.actors.get(name)
        if actor is None:
            actor = self.actors[name] = Actor(self._begin(name), Pause("begin", lambda: True))
        elif crashes:
            actor.crash()
            del self.actors[name]
            return
        if not actor.go_on():
            del self.actors[name]

    def _begin(self, name: str) -> Coroutine[Pause, None, None]:
        match name:
            case "upload":
                return self._consume(self.upload)
            case "media":
                return self._consume(self.media)
            case "early":
                return self._hand_over()
            case "repeat":
                return self._repeat()
            case "wish":
                return self._wish()
            case "delete":
                return self._delete()
            case _:
                return self._begin_generation()

    async def _consume(self, topic: deque[Sent]) -> None:
        """An event leaves the topic when its offset is committed: after a crash the first one comes again."""
        while topic:
            await self._hear(topic[0])
            await pause("commit offset")
            self.heard.append(topic.popleft())

    async def _hear(self, sent: Sent) -> None:
        await self.apply(self.catalog.begin, CONSUMER, sent.meta, sent.event, self.handlers[type(sent.event)])

    async def _hand_over(self) -> None:
        sent = self.handed.popleft()
        await deliver_event(self.catalog.begin, self.handlers, sent.meta, sent.event.SerializeToString())

    async def _repeat(self) -> None:
        """The oldest event again, and what it says as a new one."""
        sent = self.heard.pop(0)
        await self._hear(sent)
        await self._hear(sent.told_anew())

    async def _begin_generation(self) -> None:
        """Claim, or retry where the failure before is to be retried. Who was cut off looks before doing it again."""
        all_told = not (self.upload or self.media)
        number, plan = self.number + 1, self.plans[self.number]
        before = self.plans[self.number - 1] if self.number else None
        known = self.catalog.video(VIDEO)
        if known is not None and known.status is Status.DELETED:
            self.number = len(self.plans)
            return
        if known is None or known.generation < number:
            try:
                await self._claim_or_retry(number, before)
            except Failure as refused:
                if all_told and not self.deletes:
                    raise AssertionError(f"everything is told and {self.video.status} refuses to go on") from refused
                return
        if plan.wished:
            await self._wish()
        self.number = number
        if before is None or not before.is_retry_of_a_failure:
            told = upload_tells(plan, number)
            self.upload += told
            self.handed += told
        self.media += media_tells(plan, number)

    async def _claim_or_retry(self, number: int, before: Generation | None) -> None:
        async with self.catalog.begin() as tx:
            if before is not None and before.is_retry_of_a_failure:
                await lifecycle.retry_video(tx, VIDEO, OWNER)
            else:
                claimant = Claimant(VIDEO, upload_id_of(number), OWNER, must_exist=number > 1, told=TOLD)
                await claim_video(tx, claimant, NOW)

    async def _wish(self) -> None:
        try:
            async with self.catalog.begin() as tx:
                await publish_video(tx, VIDEO, OWNER, WHEN_READY, NOW)
        except Failure:
            return

    async def _delete(self) -> None:
        async with self.catalog.begin() as tx:
            await lifecycle.delete_video(tx, VIDEO, OWNER, NOW)

    def check(self) -> None:
        """What must hold of every life."""
        changes = self.told(catalog_events_pb2.VideoStatusChanged)
        passed = assert_legal(change for change in changes if isinstance(change, catalog_events_pb2.VideoStatusChanged))
        assert (len(passed), passed[-1]) == (self.video.sequence, self.video.status.value)
        noted = [entry.sequence for _, entry in self.catalog.timeline if entry.sequence]
        assert noted == sorted(set(noted)), "the timeline tells a sequence twice or out of order"
        assert noted[-1] == self.video.sequence
        published = self.told(catalog_events_pb2.VideoPublished)
        assert len(published) == passed.count("PUBLISHED")
        assert len(self.told(catalog_events_pb2.VideoDeleted)) == passed.count("DELETED")
        for step, statuses in STEPS.items():
            assert len(self.told(step)) == sum(passed.count(status) for status in statuses), "a step, told once"
        retried = sum(plan.is_retry_of_a_failure for plan in self.plans[: self.number - 1])
        assert len(self.told(catalog_events_pb2.VideoRetryRequested)) == retried or self.deletes
