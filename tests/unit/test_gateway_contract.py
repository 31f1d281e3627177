"""The contract that the gateway reads from descriptors."""

from collections.abc import Callable

import pytest
from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto

from chassis.tracing import STREAMS
from gateway.contract import DESCRIPTORS, Contract, read_contract

GET_UPLOAD = "nextplay.upload.v1.UploadService.GetUpload"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return read_contract(DESCRIPTORS.read_bytes())


def changed(change: Callable[[MethodDescriptorProto], None]) -> bytes:
    """The descriptor set with another GetUpload."""
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    file = next(file for file in files.file if file.name == "nextplay/upload/v1/upload_service.proto")
    change(next(method for method in file.service[0].method if method.name == "GetUpload"))
    return files.SerializeToString()


def rule(method: MethodDescriptorProto) -> http_pb2.HttpRule:
    return method.options.Extensions[annotations_pb2.http]


def test_an_rpc_without_an_http_annotation_is_not_public(contract: Contract) -> None:
    names = {endpoint.method.full_name for endpoint in contract.endpoints}
    assert GET_UPLOAD in names
    assert "nextplay.upload.v1.UploadService.GetUploadState" not in names


def test_a_path_of_words_comes_before_a_template_that_matches_it(contract: Contract) -> None:
    paths = [endpoint.path for endpoint in contract.endpoints]
    assert paths.index("/v1/uploads/initiate") < paths.index("/v1/uploads/{upload_id}")


def test_the_fields_of_a_request_are_bound_by_the_path_or_travel_elsewhere(contract: Contract) -> None:
    presign = next(endpoint for endpoint in contract.endpoints if endpoint.method.name == "PresignPart")
    assert [field.name for field in presign.path_fields] == ["upload_id"]
    assert [field.name for field in presign.other_fields] == ["part_number", "content_length", "checksum_sha256"]
    assert presign.context == "upload"
    assert presign.grpc_path == "nextplay.upload.v1.UploadService/PresignPart"


def test_comments_are_found_by_full_name(contract: Contract) -> None:
    comments = contract.comments
    assert comments[GET_UPLOAD].startswith("What a client needs to resume")
    assert comments["nextplay.upload.v1.GetUploadRequest.upload_id"] == "The upload (UUID)."
    assert comments["nextplay.catalog.v1.Video.Status.READY"] == "Transcoded; waits to be published."


def test_a_comment_does_not_hold_the_words_for_the_linter(contract: Contract) -> None:
    assert contract.comments["nextplay.catalog.v1.PlaybackService.GetPlaylist"].startswith("A playlist of a video")
    assert not [name for name, text in contract.comments.items() if "buf:lint" in text]


def test_streams_are_known_by_the_end_of_their_path(contract: Contract) -> None:
    ends = {endpoint.path: endpoint.path.endswith(STREAMS) for endpoint in contract.endpoints}
    streams = {endpoint.path: bool(endpoint.method.server_streaming) for endpoint in contract.endpoints}
    assert ends == streams


@pytest.mark.parametrize(
    "change",
    [
        lambda method: setattr(rule(method), "get", "/v1/uploads/{upload_id=shelves/*}"),
        lambda method: setattr(rule(method), "get", "/v1/uploads/{upload_id}:verb"),
        lambda method: setattr(rule(method), "body", "upload_id"),
        lambda method: setattr(rule(method), "response_body", "parts"),
        lambda method: rule(method).additional_bindings.add(get="/v1/other/{upload_id}"),
        lambda method: rule(method).custom.CopyFrom(http_pb2.CustomHttpPattern(kind="HEAD", path="/v1/x")),
        lambda method: setattr(method, "client_streaming", True),
        lambda method: (setattr(rule(method), "post", "/v1/x"), setattr(method, "server_streaming", True)),
    ],
    ids=["pattern", "suffix", "body", "response", "additional", "custom", "client-stream", "stream-of-post"],
)
def test_an_annotation_that_is_not_translated_is_named(change: Callable[[MethodDescriptorProto], None]) -> None:
    with pytest.raises(ValueError, match=GET_UPLOAD):
        read_contract(changed(change))
