"""The rules that uploads need of their bucket: put in place where S3 lets us, else checked, and what differs is told.

- CORS: pages of the configured origins may PUT, GET and HEAD with the headers that are signed, and may read ETag.
- Lifecycle: what is left of a multipart upload below uploads/ is dropped after some days, as a last resort behind
  upload's own jobs. No rule may expire objects there: an original's time counts from the end of its transcode, of which
  S3 knows nothing.

Needs GetBucketCORS, PutBucketCORS, GetLifecycleConfiguration and PutLifecycleConfiguration on the bucket; without them
nothing breaks. Rules of others are kept. Any number of processes may do this at once, because all write the same; S3
has no way to notice that somebody else changes a rule at the same moment.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeAlias

import stamina
from botocore.exceptions import ClientError

from chassis.errors import Unavailable
from chassis.object_store import BUSY, call
from chassis.telemetry import logger

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

PREFIX = "uploads/"
METHODS = ("PUT", "GET", "HEAD")
HEADERS = ("content-type", "x-amz-checksum-sha256")
CORS_ID = "nextplay-uploads"
LIFECYCLE_ID = "nextplay-abort-incomplete-uploads"
AGAIN_SECONDS = 3600.0
MENDED_SECONDS = 60.0
"""As often it is looked whether what differs has been put right by somebody."""
AWAY_SECONDS = 60.0
"""As long the pauses grow while S3 is away."""

_ABSENT = ("NoSuchCORSConfiguration", "NoSuchLifecycleConfiguration")

Rule: TypeAlias = dict[str, Any]
"""A rule as S3 says it."""

log = logger(__name__)


class Refused(Exception):
    """S3 does not let us, can't do this, or knows no such key or bucket; the message is its code."""


@dataclass(frozen=True)
class BucketRules:
    """What is wanted. `origins` are those of pages that send parts, like https://app.example.com; `*` is any, and none
    leaves CORS alone. `abort_days` is after how many days parts are dropped at the latest."""

    origins: Sequence[str]
    abort_days: int


async def watch_bucket(
    client: "S3Client", bucket: str, wanted: BucketRules, facts: MutableMapping[str, object]
) -> None:
    """Set the bucket up, and again every hour, until cancelled; `facts` say what is not as it should be."""
    while True:
        async for attempt in stamina.retry_context(on=Unavailable, attempts=None, timeout=None, wait_max=AWAY_SECONDS):
            with attempt:
                found = await set_up_bucket(client, bucket, wanted)
        for name in ("bucket_cors", "bucket_lifecycle"):
            told = facts.pop(name, None)
            if name in found:
                facts[name] = found[name]
                if found[name] != told:
                    log.warning("bucket_differs", rule=name, reason=found[name])
        await asyncio.sleep(MENDED_SECONDS if found else AGAIN_SECONDS)


async def set_up_bucket(client: "S3Client", bucket: str, wanted: BucketRules) -> dict[str, str]:
    """Put the rules in place that are not there; what differs then, as a sentence for an operator, by rule.

    Changes nothing that is as it should be. Raises Unavailable.
    """

    async def read_cors() -> Sequence[Any]:
        return (await client.get_bucket_cors(Bucket=bucket))["CORSRules"]

    async def put_cors(rules: Sequence[Any]) -> Sequence[Any]:
        await client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
        return await read_cors()

    async def read_lifecycle() -> Sequence[Any]:
        return (await client.get_bucket_lifecycle_configuration(Bucket=bucket))["Rules"]

    async def put_lifecycle(rules: Sequence[Any]) -> Sequence[Any]:
        await client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
        return await read_lifecycle()

    found = dict[str, str]()
    if wanted.origins:
        ours = _cors_rule(wanted)
        found["bucket_cors"] = await _ensure(read_cors, put_cors, ours, lambda rules: _no_cors(rules, wanted))
    ours = _lifecycle_rule(wanted)
    found["bucket_lifecycle"] = await _ensure(
        read_lifecycle, put_lifecycle, ours, lambda rules: _no_lifecycle(rules, wanted)
    )
    return {name: difference for name, difference in found.items() if difference}


async def _ensure(
    read: Callable[[], Awaitable[Sequence[Rule]]],
    put: Callable[[Sequence[Rule]], Awaitable[Sequence[Rule]]],
    ours: Rule,
    lack: Callable[[Sequence[Rule]], str],
) -> str:
    """Have our rule among the others, if something lacks without it; what lacks in the end, or empty."""
    try:
        rules = await _asked(read())
    except Refused as refused:
        return f"it is not known whether it is as it should be: S3 does not let us look ({refused})"
    missing = lack(rules)
    if not missing or ours in rules:
        return missing
    others = [rule for rule in rules if rule.get("ID") != ours["ID"]]
    try:
        return lack(await _asked(put([*others, ours])))
    except Refused as refused:
        return f"{missing}, and S3 does not let us put that right ({refused})"


async def _asked(request: Awaitable[Sequence[Rule]]) -> Sequence[Rule]:
    """The rules; none where S3 says that there are none. Raises Refused and Unavailable."""
    async with call():
        try:
            return await request
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            if code in _ABSENT:
                return ()
            if code in BUSY or status == 429 or (status >= 500 and code != "NotImplemented"):
                raise
            raise Refused(code) from error


def _cors_rule(wanted: BucketRules) -> Rule:
    return {
        "ID": CORS_ID,
        "AllowedOrigins": list(wanted.origins),
        "AllowedMethods": list(METHODS),
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 3600,
    }


def _no_cors(rules: Sequence[Rule], wanted: BucketRules) -> str:
    """What a page of a wanted origin may not do."""
    lacking = [
        f"{method} from {origin}"
        for origin in wanted.origins
        for method in METHODS
        if not any(_lets(rule, origin, method) for rule in rules)
    ]
    return f"pages may not send and read back parts: no CORS rule for {', '.join(lacking)}" if lacking else ""


def _lets(rule: Rule, origin: str, method: str) -> bool:
    allowed, exposed = ([one.lower() for one in rule.get(name, [])] for name in ("AllowedHeaders", "ExposeHeaders"))
    return (
        method in rule["AllowedMethods"]
        and any(fnmatchcase(origin, pattern) for pattern in rule["AllowedOrigins"])
        and all(any(fnmatchcase(header, pattern) for pattern in allowed) for header in HEADERS)
        and (method != "PUT" or "etag" in exposed)
    )


def _lifecycle_rule(wanted: BucketRules) -> Rule:
    return {
        "ID": LIFECYCLE_ID,
        "Filter": {"Prefix": PREFIX},
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": wanted.abort_days},
    }


def _no_lifecycle(rules: Sequence[Rule], wanted: BucketRules) -> str:
    enabled = [rule for rule in rules if rule["Status"] == "Enabled"]
    lacking = []
    if not any(_aborts(rule, wanted.abort_days) for rule in enabled):
        lacking.append(
            f"no lifecycle rule drops incomplete uploads below {PREFIX} within {24 * wanted.abort_days} hours"
        )
    if harmful := [str(rule.get("ID", "without an ID")) for rule in enabled if "Expiration" in rule and _meets(rule)]:
        lacking.append(f"the lifecycle rules {', '.join(harmful)} expire originals, whose time S3 does not know")
    return "; ".join(lacking)


def _aborts(rule: Rule, days: int) -> bool:
    after = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
    return after is not None and after <= days and PREFIX.startswith(_prefix(rule)) and "And" not in _filter(rule)


def _meets(rule: Rule) -> bool:
    """Whether the rule is about objects below uploads/, some of them at least."""
    prefix = _prefix(rule)
    return PREFIX.startswith(prefix) or prefix.startswith(PREFIX)


def _prefix(rule: Rule) -> str:
    """What keys begin with that the rule is about; a rule of the old form says it outside of its filter."""
    of_both = _filter(rule).get("And", {})
    prefix: str = _filter(rule).get("Prefix") or of_both.get("Prefix") or rule.get("Prefix") or ""
    return prefix


def _filter(rule: Rule) -> Rule:
    found: Rule = rule.get("Filter") or {}
    return found
