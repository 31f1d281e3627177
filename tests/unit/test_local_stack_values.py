"""What the chart's values declare is what the protos, and the local stack, know."""

from google.protobuf import descriptor_pb2

from deploy.local.home import ROOT
from deploy.local.values import read_values
from nextplay.api.v1 import options_pb2

VALUES = read_values()


def test_every_topic_of_an_event_is_declared_and_no_other() -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString((ROOT / "protos/gen/descriptors.binpb").read_bytes())
    topics = {
        message.options.Extensions[options_pb2.event].topic
        for file in files.file
        for message in file.message_type
        if message.options.HasExtension(options_pb2.event)
    }

    assert {topic.name for topic in VALUES.topics} == topics


def test_a_workload_answers_its_probe_on_a_port_that_it_binds() -> None:
    for name, workload in VALUES.workloads.items():
        assert workload.probe in workload.ports, name
