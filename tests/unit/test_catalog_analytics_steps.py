"""Which transitions of the state table analysts are told of."""

from uuid import UUID

import pytest
from google.protobuf.descriptor import FieldDescriptor

from nextplay.analytics.v1 import analytics_events_pb2
from services.catalog.domain.states import TABLE, Cause, Transition
from services.catalog.domain.video import Status, Video, Visibility
from services.catalog.usecases.analytics import step_of
from tests.catalog_history import NOW

STEPS = {
    # On the way of an upload, which upload tells: UploadInitiated, UploadAborted, UploadExpired, UploadFailed, …
    Status.DRAFT: None,
    Status.UPLOADING: None,
    Status.UPLOADED: "ProcessingQueued",
    Status.PROCESSING: "ProcessingStarted",
    Status.READY: "ProcessingCompleted",
    Status.REJECTED_TOO_LONG: "ProcessingCompleted",
    Status.REJECTED_FORMAT: "ProcessingCompleted",
    Status.PROCESSING_FAILED: "ProcessingCompleted",
    Status.PUBLISHED: "PublishCompleted",
    Status.DELETED: "DeleteCompleted",
}
# Whatever a person wrote, or could be found by.
PERSONAL = (
    "title",
    "description",
    "filename",
    "fingerprint",
    "name",
    "email",
    "address",
    "ip",
    "agent",
    "device",
    "url",
)


@pytest.mark.parametrize(
    ("cause", "source", "target"),
    [(cause, source, rule.target) for cause, rule in TABLE.items() for source in rule.sources if rule.target],
)
def test_each_transition_of_the_table_is_the_step_that_it_should_be(
    cause: Cause, source: Status, target: Status
) -> None:
    video = Video(
        video_id=UUID(int=1),
        user_id=UUID(int=2),
        title="A clip",
        description="",
        category="sports",
        visibility=Visibility.PUBLIC,
        status=target,
        sequence=7,
        generation=1,
        created_at=NOW,
        changed_at=NOW,
        heard_at=NOW,
        upload_id=UUID(int=3),
    )
    step = step_of(video, Transition(source, target, 7), cause.event)
    assert (step.DESCRIPTOR.name if step else None) == STEPS[target]
    if step and target is Status.DELETED:
        assert step.archived == (cause is Cause.ARCHIVE)  # type: ignore[attr-defined]


def test_no_step_has_a_field_for_what_a_person_wrote() -> None:
    for name, message in analytics_events_pb2.DESCRIPTOR.message_types_by_name.items():
        fields: list[FieldDescriptor] = list(message.fields)
        assert fields[0].name == "user_id", f"{name} is keyed by its user"
        for field in fields:
            assert not set(field.name.split("_")) & set(PERSONAL), f"{name}.{field.name}"
