"""Preferences between messages and the domain."""

from collections.abc import Sequence

from chassis.errors import FieldViolation, InvalidArgument
from chassis.validation import parse_uuid
from nextplay.notify.v1.notifications_service_pb2 import (
    GetPreferencesResponse,
    Notification,
    Preference,
    ReplacePreferencesRequest,
    ReplacePreferencesResponse,
)
from services.notify.domain.notification import Channel, Kind
from services.notify.domain.preferences import Preferences


def preferences_asked(request: ReplacePreferencesRequest) -> Preferences:
    """Raises InvalidArgument for an unknown kind or channel, and for a value that is given twice."""
    values: dict[tuple[Kind, Channel], bool] = {}
    for index, preference in enumerate(request.preferences):
        field = f"preferences[{index}]"
        kind, channel = _kind(f"{field}.kind", preference), _channel(f"{field}.channel", preference)
        if (kind, channel) in values:
            raise InvalidArgument(fields=[FieldViolation(field, f"must not name {kind} on {channel} a second time")])
        values[kind, channel] = preference.enabled
    return Preferences(
        disabled={named for named, enabled in values.items() if not enabled},
        muted_author_ids={
            parse_uuid(f"muted_author_ids[{index}]", value) for index, value in enumerate(request.muted_author_ids)
        },
    )


def got(preferences: Preferences) -> GetPreferencesResponse:
    return GetPreferencesResponse(preferences=_all(preferences), muted_author_ids=_muted(preferences))


def replaced(preferences: Preferences) -> ReplacePreferencesResponse:
    return ReplacePreferencesResponse(preferences=_all(preferences), muted_author_ids=_muted(preferences))


def _all(preferences: Preferences) -> Sequence[Preference]:
    return [
        Preference(
            kind=Notification.Kind.Value(kind),
            channel=Preference.Channel.Value(channel),
            enabled=(kind, channel) not in preferences.disabled,
        )
        for kind in Kind
        for channel in Channel
    ]


def _muted(preferences: Preferences) -> Sequence[str]:
    return [str(author_id) for author_id in sorted(preferences.muted_author_ids, key=lambda author_id: author_id.int)]


def _kind(field: str, preference: Preference) -> Kind:
    name = Notification.Kind.Name(preference.kind) if preference.kind in Notification.Kind.values() else ""
    if name not in {*Kind}:
        raise InvalidArgument(fields=[FieldViolation(field, f"must be one of {', '.join(Kind)}")])
    return Kind(name)


def _channel(field: str, preference: Preference) -> Channel:
    name = Preference.Channel.Name(preference.channel) if preference.channel in Preference.Channel.values() else ""
    if name not in {*Channel}:
        raise InvalidArgument(fields=[FieldViolation(field, f"must be one of {', '.join(Channel)}")])
    return Channel(name)
