"""Random histories of a video: whatever is repeated, reordered between topics or told about an older generation, the
moves are legal, sequences have no gaps, progress never falls, and the end is that of the ordered history."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import Failure
from services.catalog.domain import commands
from services.catalog.domain.outlook import RunProgress, progress
from services.catalog.domain.states import Cause, Fact, Outcome, apply
from services.catalog.domain.video import Asset, Measured, Original, Reason, Status, Video, Visibility
from tests.catalog_history import (
    LEGAL,
    MEDIA_ENDS,
    NOW,
    OWNER,
    UPLOAD_ENDS,
    VIDEO,
    Generation,
    histories,
    without_earlier_original,
)

ASSETS = tuple(Asset(kind, "bucket", f"videos/{kind}", "video/mp4", 10, 1, 1, 1, 1) for kind in ("MP4_720", "THUMB"))


@dataclass
class Telling:
    """The facts of one history, by the topic on which they travel."""

    upload: list[Fact] = field(default_factory=list)
    media: list[Fact] = field(default_factory=list)


def tell(plan: Generation, generation: int, uploads: bool) -> Telling:
    """What upload (unless this generation is a retry) and media tell about a generation."""

    def fact(cause: Cause, **carried: object) -> Fact:
        return Fact(cause, generation, NOW, **carried)  # type: ignore[arg-type]

    reason = Reason("CODE", "A sentence.", "transcode")
    upload: list[Fact] = [fact(Cause.UPLOAD_STARTED)] if uploads else []
    media: list[Fact] = []
    if plan.end in UPLOAD_ENDS and uploads:
        return Telling([*upload, fact(plan.end, reason=reason)], media)
    if uploads:
        original = Original(f"key {generation}", generation, "free", NOW + timedelta(days=7), UUID(int=9 + generation))
        upload.append(fact(Cause.UPLOAD_COMPLETED, original=original))
    measured = Measured(1000 * generation, 640, 360, 30.0)
    for attempt in range(1, plan.runs + 1):
        if plan.started:
            media.append(fact(Cause.TRANSCODE_STARTED, attempt=attempt, measured=measured))
        if attempt < plan.runs:
            media.append(fact(Cause.TRANSCODE_RETRY_SCHEDULED, attempt=attempt))
    if plan.end in MEDIA_ENDS:
        gone = plan.end is Cause.TRANSCODE_FAILED and plan.gone
        media.append(fact(plan.end, reason=reason, original_gone=gone))
    else:
        media.append(fact(Cause.TRANSCODE_COMPLETED, measured=measured, assets=ASSETS, run_ms=1))
    return Telling(upload, media)


class World:
    """A video, and the rules that hold at every step of its history."""

    def __init__(self) -> None:
        told = commands.Description("A clip", "", "sports", Visibility.PUBLIC)
        self.told = told
        self.video = self.check(None, commands.draft(VIDEO, OWNER, UUID(int=10), told, NOW))

    def check(self, before: Video | None, outcome: Outcome) -> Video:
        sequence, status = (before.sequence, before.status.value) if before else (0, None)
        for transition in outcome.transitions:
            came_from = transition.from_status.value if transition.from_status else None
            assert came_from == status
            assert (came_from, transition.to_status.value) in LEGAL
            assert transition.sequence == sequence + 1
            sequence, status = transition.sequence, transition.to_status.value
        after = outcome.video
        assert (after.sequence, after.status.value) == (sequence, status)
        if outcome.transitions:
            last = outcome.sequel or outcome.entry
            assert (last.status, last.sequence) == (after.status, sequence)
        if before and before.generation == after.generation:
            for run in (None, RunProgress(0, None, NOW), RunProgress(50, None, NOW)):
                assert progress(after, run) >= progress(before, run)
        return after

    def hear(self, fact: Fact) -> None:
        outcome = apply(self.video, fact, NOW)
        if fact.generation < self.video.generation or self.video.status is Status.DELETED:
            assert (outcome.video, outcome.transitions, outcome.assets) == (self.video, (), None)
            assert outcome.entry.ignored
        self.video = self.check(self.video, outcome)

    def begin(self, plan: Generation | None) -> bool:
        """Claim again, or retry if the generation before was to be retried; False while that is refused."""
        try:
            if plan is not None and plan.is_retry_of_a_failure:
                outcome = commands.retry(self.video, NOW)
            else:
                outcome = commands.claim(self.video, UUID(int=10 + self.video.generation), self.told, NOW)
        except Failure:
            return False
        self.video = self.check(self.video, outcome)
        return True

    def wish(self) -> None:
        try:
            outcome = commands.publish(self.video, commands.Publication(when_ready=True), _kinds(self.video), NOW)
        except Failure:
            return
        if outcome:
            self.video = self.check(self.video, outcome)


def _kinds(video: Video) -> frozenset[str]:
    ready = video.status in (Status.READY, Status.PUBLISHED)
    return frozenset(asset.kind for asset in ASSETS) if ready else frozenset()


def in_order(plans: list[Generation]) -> World:
    """Each fact once, upload's before media's, each generation finished before the next begins."""
    world = World()
    before: Generation | None = None
    for number, plan in enumerate(plans, start=1):
        if number > 1:
            assert world.begin(before)
        if plan.wished:
            world.wish()
        telling = tell(plan, number, uploads=before is None or not before.is_retry_of_a_failure)
        for fact in [*telling.upload, *telling.media]:
            world.hear(fact)
        before = plan
    return world


@settings(max_examples=200, deadline=None)
@given(histories(), st.data())
def test_every_order_of_arrival_ends_like_the_ordered_history(plans: list[Generation], data: st.DataObject) -> None:
    world, heard = World(), list[Fact]()
    queues = Telling()
    waiting, before = list(plans), None
    while waiting or queues.upload or queues.media:
        # The first choice is the one that hypothesis shrinks to, so it must lead to the end.
        choices = ["upload"] if queues.upload else []
        choices += ["media"] if queues.media else []
        choices += ["next"] if waiting else []
        choices += ["repeat"] if heard else []
        match data.draw(st.sampled_from(choices)):
            case "repeat":
                world.hear(data.draw(st.sampled_from(heard)))
            case "next":
                if before is None or world.begin(before):
                    plan = waiting.pop(0)
                    if plan.wished:
                        world.wish()
                    uploads = before is None or not before.is_retry_of_a_failure
                    telling = tell(plan, world.video.generation, uploads)
                    queues.upload += telling.upload
                    queues.media += telling.media
                    before = plan
                elif not (queues.upload or queues.media):
                    raise AssertionError(f"everything is told and {world.video.status} still refuses to go on")
            case topic:
                fact = getattr(queues, topic).pop(0)
                heard.append(fact)
                world.hear(fact)
    assert without_earlier_original(world.video) == without_earlier_original(in_order(plans).video)
    if plans[-1].end is Cause.TRANSCODE_FAILED:
        assert (commands.Action.RETRY in commands.allowed_actions(world.video, NOW)) is plans[-1].can_be_retried


@settings(max_examples=100, deadline=None)
@given(histories(), st.data())
def test_a_video_deleted_at_any_moment_stays_deleted(plans: list[Generation], data: st.DataObject) -> None:
    facts = [fact for number, plan in enumerate(plans, 1) for fact in _all(tell(plan, number, uploads=True))]
    world = World()
    told_before = [fact for fact in facts if fact.generation == 1]
    for fact in told_before[: data.draw(st.integers(0, len(told_before)))]:
        world.hear(fact)
    deleted = commands.delete(world.video, NOW)
    assert deleted
    world.video = world.check(world.video, deleted)
    for fact in data.draw(st.permutations(told_before)):
        world.hear(fact)
    assert world.video == deleted.video


@settings(max_examples=100, deadline=None)
@given(histories(), st.data())
def test_with_any_one_fact_lost_a_generation_still_ends_alike(plans: list[Generation], data: st.DataObject) -> None:
    """But for the last fact itself, which only the owner of it can tell: the job that asks does."""
    plan = replace(plans[-1], wished=False)
    telling = tell(plan, 1, uploads=True)
    facts = _all(telling)
    lost = data.draw(st.integers(0, len(facts) - 2)) if len(facts) > 1 else 0
    whole, damaged = World(), World()
    for position, fact in enumerate(facts):
        whole.hear(fact)
        if position != lost or len(facts) == 1:
            damaged.hear(fact)
    assert damaged.video.status is whole.video.status


def _all(telling: Telling) -> list[Fact]:
    return [*telling.upload, *telling.media]
