"""The lines of the log."""

import json
import logging
from collections.abc import Callable

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from chassis import telemetry
from chassis.telemetry import FewRepetitions, JsonFormatter, logger

log = logger(__name__)
Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """What was logged, as the process would print it."""
    formatter = JsonFormatter("upload")
    caplog.set_level(logging.DEBUG)

    def formatted() -> list[dict[str, object]]:
        printed = [formatter.format(record) for record in caplog.records]
        assert all("\n" not in line for line in printed)
        return [json.loads(line) for line in printed]

    return formatted


def test_an_event_is_one_line_in_the_shape_of_the_specification(lines: Lines) -> None:
    log.info("upload_initiated", user_id="u-1", file_size_bytes=45678901)
    [line] = lines()
    assert list(line) == ["timestamp", "level", "service", "event", "user_id", "file_size_bytes"]
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "level": "INFO",
        "service": "upload",
        "event": "upload_initiated",
        "user_id": "u-1",
        "file_size_bytes": 45678901,
    }


def test_a_field_cannot_replace_what_every_line_has(lines: Lines) -> None:
    log.warning("renamed", service="other", level="none")
    [line] = lines()
    assert (line["service"], line["level"]) == ("upload", "WARNING")


def test_a_line_inside_a_span_has_its_ids(lines: Lines) -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("work") as span:
        log.info("worked")
        printed = lines()[0]
    context = span.get_span_context()
    assert printed["trace_id"] == trace.format_trace_id(context.trace_id)
    assert printed["span_id"] == trace.format_span_id(context.span_id)


def test_an_error_has_the_stack_of_its_cause(lines: Lines) -> None:
    try:
        raise ZeroDivisionError("why")
    except ZeroDivisionError as error:
        log.error("broke")
        caught = error
    log.error("broke_later", cause=caught)
    log.error("only_said")
    broke, later, said = lines()
    assert "ZeroDivisionError: why" in str(broke["stack"])
    assert "ZeroDivisionError: why" in str(later["stack"])
    assert "stack" not in said


def test_a_librarys_line_has_the_same_shape(lines: Lines) -> None:
    logging.getLogger("aiokafka.consumer").warning("Topic %s not found", "x")
    [line] = lines()
    assert line["event"] == "library_log"
    assert line["logger"] == "aiokafka.consumer"
    assert line["message"] == "Topic x not found"


def test_a_library_that_repeats_itself_is_printed_once_in_ten_seconds_and_the_rest_counted(lines: Lines) -> None:
    library, once = logging.getLogger("aiokafka"), FewRepetitions()

    def says(text: str, *about: object, at: float) -> logging.LogRecord:
        record = library.makeRecord(library.name, logging.ERROR, "", 0, text, about, None)
        record.created = at
        return record

    said = [says("Node %s is away", node, at=node) for node in range(25)]
    said.append(says("Topic %s is away", "x", at=5))
    printed = [json.loads(JsonFormatter("upload").format(record)) for record in said if once.filter(record)]
    assert [line["message"] for line in printed] == [
        *(f"Node {node} is away" for node in (0, 10, 20)),
        "Topic x is away",
    ]
    assert [line.get("left_out") for line in printed] == [None, 9, 9, None]


def test_what_we_say_ourselves_is_printed_each_time(caplog: pytest.LogCaptureFixture) -> None:
    once = FewRepetitions()
    for _ in range(3):
        log.warning("event_retried")
    assert all(once.filter(record) for record in caplog.records)
    assert len(caplog.records) == 3


def test_templates_that_are_never_the_same_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "MAX_TEMPLATES", 3)
    once = FewRepetitions()
    library = logging.getLogger("library")
    for number in range(10):
        assert once.filter(library.makeRecord(library.name, logging.ERROR, "", 0, f"took {number} s", (), None))
    assert len(once._said) == 3


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Authorization: Bearer SECRET.abc-d", "Authorization: Bearer [redacted]"),
        ("got eyJhbGciOiJFUzI1NiJ9.SECRETeyJzdWIi.SECRET_sig!", "got [redacted]!"),
        ("PUT https://s3/b/k?X-Amz-Signature=SECRET&partNumber=1", "X-Amz-Signature=[redacted]&partNumber=1"),
        ("GET /v1/videos/1/hls/master.m3u8?token=SECRET HTTP", "?token=[redacted] HTTP"),
        (
            "postgresql://upload:SECRET@127.0.0.1:5432/nextplay",
            "postgresql://upload:[redacted]@127.0.0.1:5432/nextplay",
        ),
        ('two\nlines and a "quote" stay', 'two\nlines and a "quote" stay'),
    ],
)
def test_a_secret_inside_a_text_is_not_printed(lines: Lines, text: str, kept: str) -> None:
    log.info("seen", text=text)
    [line] = lines()
    assert kept in str(line["text"])
    assert "SECRET" not in str(line)


@pytest.mark.parametrize("field", ["password", "secret_key", "authorization", "page_token", "client_secret", "api_key"])
@pytest.mark.parametrize("value", ["SECRET", 'quo"te SECRET', "two words SECRET", "back\\slash SECRET"])
def test_a_field_that_is_named_like_a_secret_is_not_printed(lines: Lines, field: str, value: str) -> None:
    log.info("seen", **{field: value, "other": "stays"})
    [line] = lines()
    assert "SECRET" not in str(line)
    assert line["other"] == "stays"


def test_a_field_of_any_kind_is_printed(lines: Lines) -> None:
    log.info("seen", path=JsonFormatter, number=1.5, nothing=None, many=[1, "é"])
    [line] = lines()
    assert (line["number"], line["nothing"], line["many"]) == (1.5, None, [1, "é"])
