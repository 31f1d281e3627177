"""Who imports whom, and that the rules about it can fail."""

import subprocess
import sys
from pathlib import Path

import pytest
from grimp import ImportGraph

from tests.architecture.import_rules import ImportsContract

ROOT = Path(__file__).parents[2]
TREE = [
    "asyncpg",
    "chassis.errors",
    "chassis.postgres",
    "json",
    "nextplay.upload.v1.upload_events_pb2",
    "nextplay.upload.v1.upload_service_pb2",
    "services.catalog.domain",
    "services.catalog.ports",
    "services.upload.domain",
    "services.upload.domain.parts",
    "services.upload.ports",
    "services.upload.usecases",
]


def test_every_module_imports_only_what_its_layer_may() -> None:
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    linted = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert linted.returncode == 0, linted.stdout[linted.stdout.find("Broken contracts") :] + linted.stderr


def broken(options: dict[str, list[str]], importer: str, imported: str) -> bool:
    graph = ImportGraph()
    for module in TREE:
        graph.add_module(module)
    graph.add_import(importer=importer, imported=imported, line_number=7, line_contents="import …")
    contract = ImportsContract(name="rule", session_options={"root_packages": ["services"]}, contract_options=options)
    return not contract.check(graph, verbose=False).kept


DOMAIN = {"modules": ["services.*.domain"], "may_import": ["chassis.errors"]}
USECASES = {"modules": ["services.*.usecases"], "may_import": [".domain", ".ports", "nextplay.*.v1.*_events_pb2"]}
MESSAGES = {"modules": ["services.upload.*"], "may_not_import": ["nextplay.upload.v1.*_service_pb2"]}
CHASSIS = {"modules": ["chassis"], "may_import": ["installed"]}


@pytest.mark.parametrize(
    ("options", "importer", "imported", "wrong"),
    [
        (DOMAIN, "services.upload.domain", "chassis.errors", False),
        (DOMAIN, "services.upload.domain", "json", False),
        (DOMAIN, "services.upload.domain", "services.upload.domain.parts", False),
        (DOMAIN, "services.upload.domain.parts", "services.upload.domain", False),
        (DOMAIN, "services.upload.domain.parts", "chassis.postgres", True),
        (DOMAIN, "services.upload.domain", "asyncpg", True),
        (DOMAIN, "services.upload.domain", "services.upload.ports", True),
        (DOMAIN, "services.upload.domain", "services.catalog.domain", True),
        (DOMAIN, "services.upload.ports", "asyncpg", False),
        (USECASES, "services.upload.usecases", "services.upload.domain.parts", False),
        (USECASES, "services.upload.usecases", "services.catalog.ports", True),
        (USECASES, "services.upload.usecases", "nextplay.upload.v1.upload_events_pb2", False),
        (USECASES, "services.upload.usecases", "nextplay.upload.v1.upload_service_pb2", True),
        (MESSAGES, "services.upload.ports", "nextplay.upload.v1.upload_service_pb2", True),
        (MESSAGES, "services.upload.ports", "nextplay.upload.v1.upload_events_pb2", False),
        ({**MESSAGES, "except_modules": ["services.*.ports"]}, "services.upload.ports", TREE[5], False),
        (CHASSIS, "chassis.postgres", "asyncpg", False),
        (CHASSIS, "chassis.postgres", "chassis.errors", False),
        (CHASSIS, "chassis.postgres", "services.upload.domain", True),
    ],
)
def test_a_rule_tells_right_from_wrong(
    options: dict[str, list[str]], importer: str, imported: str, wrong: bool
) -> None:
    assert broken(options, importer, imported) is wrong
