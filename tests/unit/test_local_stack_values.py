"""What the chart's values declare is what the protos, and the local stack, know."""

from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from google.protobuf import descriptor_pb2
from pydantic import TypeAdapter

from chassis.settings import load
from deploy.local.home import ROOT, open_home
from deploy.local.identity import user_id
from deploy.local.values import VALUES_FILE, read_values
from deploy.local.workloads import WEB, workloads
from gateway.settings import Settings
from nextplay.api.v1 import options_pb2
from services.media.sandbox import Layer
from services.media.settings import WorkerSettings

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


def test_in_a_cluster_a_worker_takes_no_work_without_landlock_and_seccomp() -> None:
    assert "required_layers" in WorkerSettings.model_fields
    variable = f"{WorkerSettings.model_config['env_prefix']}REQUIRED_LAYERS"
    told = yaml.safe_load(VALUES_FILE.read_text())["workloads"]["media-worker"]["cluster"]["environment"][variable]
    assert set(TypeAdapter(list[Layer]).validate_json(told)) == {"landlock", "seccomp"}


def test_a_developers_machine_need_not_offer_what_a_cluster_does(tmp_path: Path) -> None:
    ports = defaultdict[str, int](int)
    (worker,) = (one for one in workloads(open_home(tmp_path), ports, VALUES) if one.name == "media-worker")
    assert "NEXTPLAY_MEDIA_WORKER_DIRECTORY" in worker.environment
    assert "NEXTPLAY_MEDIA_WORKER_REQUIRED_LAYERS" not in worker.environment


def test_studio_signs_people_in_at_the_local_issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = defaultdict[str, int](int, identity=4711, s3=4712)
    (gateway,) = (one for one in workloads(open_home(tmp_path), ports, VALUES) if one.name == "gateway")
    for name, value in gateway.environment.items():
        monkeypatch.setenv(name, value)
    settings = load(Settings)
    assert settings.web_directory == WEB
    assert settings.studio_origins == ["http://127.0.0.1:4712", "http://127.0.0.1:4711"]
    assert settings.studio_local_issuer is not None
    assert settings.studio_local_issuer["token_url"] == "http://127.0.0.1:4711/token"
    users = {user["name"]: user["user_id"] for user in settings.studio_local_issuer["users"]}
    assert users["alice"] == str(user_id("alice"))
