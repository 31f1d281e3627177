"""Compares what S3 holds with what the tables say, in both directions, and ends what is wrong after it was reported.

A run reads S3's open multipart uploads, its objects beside the rows of the originals (both are in the order of their
keys, so one pass finds what either side lacks), and the active uploads. What is wrong is written down as a finding,
with PostgreSQL's time. Nothing younger than `min_age` is looked at: S3's clock tells how old an object is, PostgreSQL's
how old a row. A later run looks again at each finding that was reported long enough, and ends it if it is still so.

Memory holds a page of a listing at most. A run that dies is gone on with where it was; two at once do no harm.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from chassis import telemetry
from chassis.errors import Unavailable
from services.upload.domain.findings import Finding, FindingKind, Held, unknown, upload_id_in
from services.upload.domain.upload import ACTIVE, Upload
from services.upload.ports import Begin, Inventory, MultipartUploadNotFound, Objects, Page, Tx, Walk
from services.upload.usecases import events
from services.upload.usecases.completion import settle_lost

PREFIX = "uploads/"
AT_ONCE = 500
GIVE_UP_AFTER = 3
NIL = UUID(int=0)

log = telemetry.logger(__name__)


@dataclass(frozen=True)
class Care:
    """What is spared: what is younger than `min_age`, what was reported less than `reported_for` ago, and everything
    when more than `most` findings are due, because then it is rather the tables or the bucket that are the wrong ones.
    """

    most: int
    min_age: timedelta = timedelta(hours=1)
    reported_for: timedelta = timedelta(minutes=30)


class TooManyFindings(Exception):
    """More is to be ended than a run may."""


@dataclass(frozen=True)
class Reconciler:
    """What a run works with; it sees and touches only what is below `prefix`, which is upload's own."""

    begin: Begin
    objects: Objects
    inventory: Inventory
    keep_original: timedelta
    care: Care
    prefix: str = PREFIX


async def reconcile(run: Reconciler) -> dict[str, int]:
    """Look at everything once, then end what was reported; how many were found anew, and what came of the others.

    Raises TooManyFindings, having ended none; Unavailable while looking, and the next run goes on from there.
    """
    found = Counter[str]()
    for look in (_look_at_multiparts, _look_at_objects, _look_at_uploads):
        found += await look(run)
    return {**found, **await _end_findings(run)}


async def _look_at_multiparts(run: Reconciler) -> Counter[str]:
    found, position = Counter[str](), await _position(run, "multiparts")
    while position is not None:
        page = await run.inventory.list_multiparts(run.prefix, position)
        async with run.begin() as tx:
            new = await tx.store.save_findings(await _unknown(tx, run, page.held))
            await tx.store.save_position("multiparts", page.next)
        found += _report(new)
        position = page.next
    return found


async def _look_at_objects(run: Reconciler) -> Counter[str]:
    """In both directions: objects that no row wants, and rows whose object is not between those of the page."""
    found, position = Counter[str](), await _position(run, "objects")
    while position is not None:
        page = await run.inventory.list_objects(run.prefix, position)
        async with run.begin() as tx:
            new = await tx.store.save_findings(await _unknown(tx, run, page.held))
        found += _report(new)
        found += await _look_at_originals(run, position, page)
        async with run.begin() as tx:
            await tx.store.save_position("objects", page.next)
        position = page.next
    return found


async def _look_at_originals(run: Reconciler, after: str, page: Page) -> Counter[str]:
    """The rows whose originals belong on this page of objects; there are more of them than objects if many are lost."""
    found, keys, more = Counter[str](), frozenset(held.s3_key for held in page.held), True
    while more:
        # After the listing: what was given up since, and so may be gone by right, is not among them.
        async with run.begin() as tx:
            rows = await tx.store.list_originals(after, page.next, run.prefix, run.care.min_age, AT_ONCE)
            lost = [Finding(FindingKind.LOST_ORIGINAL, key) for key in rows if key not in keys]
            new = await tx.store.save_findings(lost)
        found += _report(new)
        after, more = rows[-1] if rows else after, len(rows) == AT_ONCE
    return found


async def _look_at_uploads(run: Reconciler) -> Counter[str]:
    found, position = Counter[str](), await _position(run, "uploads")
    while position is not None:
        async with run.begin() as tx:
            after = UUID(position) if position else NIL
            uploads = await tx.store.list_active(after, run.prefix, run.care.min_age, AT_ONCE)
        lost = [upload for upload in uploads if not await _has_multipart(run, upload)]
        position = str(uploads[-1].upload_id) if len(uploads) == AT_ONCE else None
        async with run.begin() as tx:
            new = await tx.store.save_findings([_lost_multipart(upload) for upload in lost])
            await tx.store.save_position("uploads", position)
        found += _report(new)
    return found


async def _end_findings(run: Reconciler) -> Counter[str]:
    """End each finding that was reported long enough. What S3 does not let end now is left to the next run."""
    care, ended, after, away = run.care, Counter[str](), NIL, 0
    async with run.begin() as tx:
        if await tx.store.count_due_findings(care.reported_for, run.prefix, care.most + 1) > care.most:
            raise TooManyFindings(f"more than {care.most} findings are due; none was ended")
    while away < GIVE_UP_AFTER:
        async with run.begin() as tx:
            due = await tx.store.list_due_findings(after, care.reported_for, run.prefix, AT_ONCE)
        for finding_id, finding in due:
            after = finding_id
            try:
                outcome, away = await _end(run, finding), 0
            except Unavailable as failure:
                outcome, away = "postponed", away + 1
                log.warning("finding_postponed", kind=finding.kind, s3_key=finding.s3_key, reason=failure.code)
            else:
                async with run.begin() as tx:
                    await tx.store.close_finding(finding_id)
                log.info("finding_ended", kind=finding.kind, s3_key=finding.s3_key, outcome=outcome)
            ended[outcome] += 1
            if away == GIVE_UP_AFTER:
                break
        if len(due) < AT_ONCE:
            break
    return ended


async def _end(run: Reconciler, finding: Finding) -> str:
    """What came of it. Repeatable; whatever has changed since it was found is left alone."""
    match finding.kind:
        case FindingKind.UNKNOWN_MULTIPART:
            return await _abort_unknown(run, finding)
        case FindingKind.UNKNOWN_OBJECT:
            return await _delete_unknown(run, finding)
        case FindingKind.LOST_ORIGINAL:
            return await _give_up_original(run, finding)
        case FindingKind.LOST_MULTIPART:
            return await _fail_upload(run, finding)


async def _abort_unknown(run: Reconciler, finding: Finding) -> str:
    held = Held(finding.s3_key, finding.s3_upload_id, run.care.min_age)
    async with run.begin() as tx:
        if not await _unknown(tx, run, [held]):
            return "resolved"
    # Its id is never given to another one, and initiate accepts none an hour after it was made.
    await run.objects.abort_multipart(finding.s3_key, finding.s3_upload_id)
    return "aborted"


async def _delete_unknown(run: Reconciler, finding: Finding) -> str:
    # S3 before the tables: an object that an upload has made since is too young, and one that an upload still makes has
    # a row.
    held = await run.inventory.find_object(finding.s3_key)
    async with run.begin() as tx:
        if held is None or not await _unknown(tx, run, [held]):
            return "resolved"
    await run.inventory.delete_object(finding.s3_key)
    return "deleted"


async def _give_up_original(run: Reconciler, finding: Finding) -> str:
    """Tell that the original is gone: it can't be retried from, and a transcode that waits for it will fail."""
    upload_id = upload_id_in(finding.s3_key)
    if upload_id is None or await run.inventory.find_object(finding.s3_key) is not None:
        return "resolved"
    async with run.begin() as tx:
        upload = await tx.store.give_up_lost_original(upload_id)
        if upload is None:
            return "resolved"
        tx.emit(events.original_lost(upload))
    log.error("original_lost", user_id=upload.user_id, video_id=upload.video_id, upload_id=upload.upload_id)
    return "given_up"


async def _fail_upload(run: Reconciler, finding: Finding) -> str:
    upload_id = upload_id_in(finding.s3_key)
    async with run.begin() as tx:
        upload = await tx.store.lock(upload_id) if upload_id else None
    if upload is None or upload.status not in ACTIVE or await _has_multipart(run, upload):
        return "resolved"
    settled = await settle_lost(run.begin, run.objects, run.keep_original, upload)
    return settled.status.lower()


async def _has_multipart(run: Reconciler, upload: Upload) -> bool:
    try:
        await run.objects.list_parts(upload.s3_key, upload.s3_upload_id)
    except MultipartUploadNotFound:
        return False
    return True


async def _unknown(tx: Tx, run: Reconciler, held: Sequence[Held]) -> list[Finding]:
    """Those of a page that no upload wants; read after the page, so that what was completed since is wanted."""
    ids = {upload_id for one in held if (upload_id := upload_id_in(one.s3_key))}
    return unknown(held, await tx.store.wanted(ids), run.care.min_age)


def _lost_multipart(upload: Upload) -> Finding:
    return Finding(FindingKind.LOST_MULTIPART, upload.s3_key, upload.s3_upload_id)


async def _position(run: Reconciler, walk: Walk) -> str | None:
    async with run.begin() as tx:
        return await tx.store.find_position(walk)


def _report(new: Sequence[Finding]) -> Counter[str]:
    for finding in new:
        log.warning(
            "finding_reported", kind=finding.kind, s3_key=finding.s3_key, s3_upload_id=finding.s3_upload_id or None
        )
    return Counter(finding.kind.value for finding in new)
