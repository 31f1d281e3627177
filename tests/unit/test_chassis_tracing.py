"""What a trace carries from one process to the next, and what it says."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis import tracing
from chassis.tracing import IdsOfBaggage, carried, current_trace_id, received, span
from nextplay.upload.v1.upload_events_pb2 import UploadCompleted

VIDEO, UPLOAD = "01a20465-abb8-7478-b50e-599bb0a7b2a8", "01a20465-abb8-7478-b50e-599bb0a7b2a9"
TRACE = "0af7651916cd43dd8448eb211c80319c"
RECORDED, UNRECORDED = f"00-{TRACE}-b7ad6b7169203331-01", f"00-{TRACE}-b7ad6b7169203331-00"
IDS = {"nextplay.video_id": VIDEO, "nextplay.upload_id": UPLOAD}


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """The spans that ended, as a process with a collector records them."""
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(IdsOfBaggage())
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    yield spans
    provider.shutdown()


def test_without_a_span_nothing_is_carried() -> None:
    assert carried() == {}
    assert current_trace_id() is None


def test_the_trace_and_its_ids_survive_being_carried(ended: InMemorySpanExporter) -> None:
    with span("request", context=received({"traceparent": RECORDED})):
        headers = carried(UploadCompleted(video_id=VIDEO, upload_id=UPLOAD))
        trace_id = current_trace_id()
    with span("delivery", context=received(headers)):
        assert current_trace_id() == trace_id == TRACE
        assert carried()["baggage"] == headers["baggage"]
    [request, delivery] = ended.get_finished_spans()
    assert parent_of(delivery) == id_of(request)
    assert dict(delivery.attributes or {}) == IDS


def test_a_message_names_what_its_span_is_about(ended: InMemorySpanExporter) -> None:
    with span("answer", context=received({}, UploadCompleted(video_id=VIDEO, upload_id=UPLOAD))), span("step"):
        pass
    assert [dict(one.attributes or {}) for one in ended.get_finished_spans()] == [IDS, IDS]


@pytest.mark.parametrize(
    ("traceparent", "request_line", "status", "slow", "untold"),
    [
        (None, "GET /v1/videos", 200, False, True),
        (None, "HEAD /v1/videos", 304, False, True),
        (None, "GET /v1/videos", 200, True, False),
        (None, "GET /v1/videos", 404, False, False),
        (None, "GET /v1/videos", 503, False, False),
        (None, "POST /v1/videos", 200, False, False),
        (None, "GET /v1/videos/{video_id}/events", 200, False, False),
        (RECORDED, "GET /v1/videos", 200, False, False),
    ],
)
def test_a_read_is_told_where_it_fails_or_is_slow_or_its_client_wants_to_know(
    ended: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
    traceparent: str | None,
    request_line: str,
    status: int,
    slow: bool,
    untold: bool,
) -> None:
    if slow:
        monkeypatch.setattr(tracing, "SLOW_SECONDS", 0.0)
    with span("HTTP", context=received({"traceparent": traceparent})) as answered:
        tracing.tell_http(answered, *request_line.split(), status)
    [told] = ended.get_finished_spans()
    assert (tracing.UNTOLD in (told.attributes or {})) == untold


def test_what_is_unrecorded_stays_in_its_trace(ended: InMemorySpanExporter) -> None:
    with span("read", context=tracing.unrecorded(received({"traceparent": RECORDED}))), span("step"):
        assert current_trace_id() == TRACE
        assert not tracing.is_recorded(carried())
    assert ended.get_finished_spans() == ()


@pytest.mark.parametrize("traceparent", [None, "", "nonsense", "00-0-0-00", f"ff-{TRACE}-b7ad6b7169203331-01"])
def test_a_wrong_trace_context_begins_a_new_trace(ended: InMemorySpanExporter, traceparent: str | None) -> None:
    with span("work", context=received({"traceparent": traceparent})) as begun:
        assert begun.get_span_context().is_valid
        assert current_trace_id() != TRACE
    assert [one.parent for one in ended.get_finished_spans()] == [None]


@pytest.mark.parametrize(
    "baggage",
    ["nextplay.video_id=My first goal", "title=goal", f"nextplay.video_id={VIDEO}x", f"x-nextplay.video_id={VIDEO}%20"],
)
def test_baggage_that_is_not_one_of_our_ids_goes_no_further(ended: InMemorySpanExporter, baggage: str) -> None:
    with span("work", context=received({"traceparent": RECORDED, "baggage": baggage})):
        assert "baggage" not in carried()
    [work] = ended.get_finished_spans()
    assert not work.attributes


def test_an_id_that_is_no_uuid_is_not_told(ended: InMemorySpanExporter) -> None:
    with span("answer", context=received({}, UploadCompleted(video_id="My first goal"))):
        pass
    [answer] = ended.get_finished_spans()
    assert not answer.attributes


def test_a_trace_that_is_not_recorded_is_carried_alone(ended: InMemorySpanExporter) -> None:
    with span("work", context=received({"traceparent": UNRECORDED, "baggage": f"nextplay.video_id={VIDEO}"})):
        headers = carried(UploadCompleted(video_id=VIDEO))
    assert headers.keys() == {"traceparent"}
    assert headers["traceparent"].startswith(f"00-{TRACE}-")
    assert headers["traceparent"].endswith("-00")
    assert not ended.get_finished_spans()


def test_an_exception_leaves_its_class_and_not_its_words(ended: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="goal"), span("work"):
        raise ValueError("title 'My first goal'")
    [work] = ended.get_finished_spans()
    assert dict(work.attributes or {}) == {"error.type": "ValueError"}
    assert work.status.status_code is trace.StatusCode.ERROR
    assert not work.status.description
    assert not work.events


def test_work_of_several_traces_is_linked_to_each(ended: InMemorySpanExporter) -> None:
    other = RECORDED.replace(TRACE, "1" * 32)
    with tracing.joint_span("batch", [{"traceparent": RECORDED}, {"traceparent": other}, {"traceparent": UNRECORDED}]):
        pass
    [batch] = ended.get_finished_spans()
    assert batch.parent is None
    assert [f"{link.context.trace_id:032x}" for link in batch.links] == [TRACE, "1" * 32]


def test_work_of_one_trace_has_no_span_of_its_own(ended: InMemorySpanExporter) -> None:
    with tracing.joint_span("batch", [{"traceparent": RECORDED}]):
        pass
    assert not ended.get_finished_spans()


def test_a_span_apart_has_the_ids_and_a_link(ended: InMemorySpanExporter) -> None:
    with tracing.span_apart("page", {"traceparent": RECORDED, "baggage": f"nextplay.video_id={VIDEO}"}):
        assert current_trace_id() != TRACE
    [page] = ended.get_finished_spans()
    assert page.parent is None
    assert [f"{link.context.trace_id:032x}" for link in page.links] == [TRACE]
    assert dict(page.attributes or {}) == {"nextplay.video_id": VIDEO}


def id_of(one: ReadableSpan) -> int | None:
    return one.context.span_id if one.context else None


def parent_of(one: ReadableSpan) -> int | None:
    return one.parent.span_id if one.parent else None
