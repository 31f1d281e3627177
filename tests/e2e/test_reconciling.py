"""Upload's job that compares S3 with its tables, on the whole platform."""

import uuid
from pathlib import Path

import httpx

from deploy.local.stack import Stack
from tests.e2e.bucket import delete_object, keys_below
from tests.e2e.conftest import MakePerson
from tests.e2e.people import execute, until


def test_a_video_whose_original_is_lost_fails_with_a_reason_and_is_offered_no_retry(
    person: MakePerson, platform: Stack, clip: Path
) -> None:
    alice, upload = person("alice"), platform.dsn("upload")
    platform.hold("media-worker")
    try:
        uploaded = alice.upload(clip)
        prefix = f"uploads/{alice.user_id}/{uploaded.video_id}/"
        [original] = keys_below(platform, prefix)
        delete_object(platform, original)
    finally:
        platform.release("media-worker")
    failed = uploaded.becomes("PROCESSING_FAILED")
    assert failed["reason"]["code"] == "STORAGE_ERROR"
    assert failed["reason"]["next_action"] == "Upload the clip again."
    assert "upload" in failed["allowed_actions"]
    assert "retry" not in failed["allowed_actions"]
    refused = alice.post(f"/v1/videos/{uploaded.video_id}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "RETRY_NOT_ALLOWED")

    query = "SELECT kind FROM reconcile_findings WHERE s3_key = $1"
    platform.run_job("upload-reconcile")
    assert execute(upload, query, original) == [], "it is younger than an hour"
    earlier = "UPDATE uploads SET completed_at = completed_at - interval '2 hours' WHERE upload_id = $1"
    execute(upload, earlier, uuid.UUID(uploaded.upload_id))
    platform.run_job("upload-reconcile")
    assert [row["kind"] for row in execute(upload, query, original)] == ["lost_original"]
    earlier = "UPDATE reconcile_findings SET first_seen_at = first_seen_at - interval '1 hour' WHERE s3_key = $1"
    execute(upload, earlier, original)
    platform.run_job("upload-reconcile")
    assert execute(upload, query, original) == []
    timeline = f"/v1/videos/{uploaded.video_id}/timeline"
    until(
        lambda: "OriginalLost" in [entry["event"] for entry in alice.get(timeline).json()["entries"]] or None,
        seconds=20,
        what="the loss in the timeline",
    )


def test_upload_says_in_readiness_that_it_may_not_look_at_the_buckets_rules(platform: Stack) -> None:
    port = platform.ports["upload-metrics"]

    def told() -> str | None:
        reply = httpx.get(f"http://127.0.0.1:{port}/readyz")
        assert reply.status_code == 200
        return reply.json().get("bucket_lifecycle")

    assert "does not let us look (AccessDenied)" in until(told, seconds=20, what="the rules having been looked at")
    assert "upload_findings" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
