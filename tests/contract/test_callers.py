"""Which service may call which, by the options of the internal RPCs: no more than the platform needs."""

import yaml
from google.protobuf import descriptor_pb2

from deploy.local.home import ROOT
from deploy.local.values import VALUES_FILE
from nextplay.api.v1 import options_pb2

MAY_CALL = {
    "nextplay.upload.v1.UploadService.GetUploadState": {"catalog"},
    "nextplay.media.v1.MediaService.GetJobState": {"catalog"},
    "nextplay.catalog.v1.IngestService.ClaimVideoForUpload": {"upload"},
    "nextplay.catalog.v1.IngestService.DeliverEvent": {"upload"},
    "nextplay.catalog.v1.FollowService.ListFollowers": {"notify"},
}
"""Every method that a service's token opens, and whose."""


def callers() -> dict[str, set[str]]:
    files = descriptor_pb2.FileDescriptorSet.FromString((ROOT / "protos/gen/descriptors.binpb").read_bytes())
    options = {
        f"{file.package}.{service.name}.{method.name}": descriptor_pb2.MethodOptions.FromString(
            method.options.SerializeToString()
        ).Extensions[options_pb2.rpc]
        for file in files.file
        for service in file.service
        for method in service.method
    }
    return {name: set(option.callers) for name, option in options.items() if option.callers}


def owner(method: str) -> str:
    return method.split(".")[1]


def test_a_services_token_opens_what_it_is_for_and_nothing_else() -> None:
    """Another method or caller is a decision, which is written down here too."""
    assert callers() == MAY_CALL


def test_who_may_call_a_service_may_reach_it_and_nobody_reaches_it_for_nothing() -> None:
    workloads = yaml.safe_load(VALUES_FILE.read_text())["workloads"]
    reached = {
        (one["context"], called)
        for one in workloads.values()
        if "context" in one
        for called in one["cluster"].get("calls", [])
    }
    assert reached == {(caller, owner(method)) for method, allowed in callers().items() for caller in allowed}


def test_a_token_that_a_service_was_called_with_lets_it_do_no_more_than_read_a_state() -> None:
    """All services take one audience, so one that was taken over could send on what it was sent."""
    sent_to = {(caller, owner(method)) for method, allowed in callers().items() for caller in allowed}
    opened = {
        method
        for caller, holder in sent_to
        for method, allowed in callers().items()
        if caller in allowed and owner(method) != holder
    }
    assert opened == {"nextplay.upload.v1.UploadService.GetUploadState", "nextplay.media.v1.MediaService.GetJobState"}
