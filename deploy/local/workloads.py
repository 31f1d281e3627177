"""The services of the platform as the chart's values declare them, with the settings that they get on this machine."""

import base64
import json
import sys
from collections.abc import Sequence

from deploy.local.home import ROOT, Home
from deploy.local.identity import Issuer, open_issuer, service_token_file, user_id
from deploy.local.infrastructure import Ports, postgres_dsn, s3_access
from deploy.local.process import Process
from deploy.local.readiness import answers
from deploy.local.s3_rights import POLICIES
from deploy.local.values import Context, Values

WEB = ROOT / "web" / "dist"
"""What `make web` builds."""
STUDIO_USERS = ("alice", "bob", "carol", "dave")


def port_names(values: Values, scale: int = 1) -> list[str]:
    """The ports that the instances of workloads bind: `upload-grpc`, …, of the second `upload-2-grpc`; an HTTP port has
    the name of its workload. There is one gateway, because nothing would choose between two."""
    return [
        _port(_instance(name, number), port)
        for name, workload in values.workloads.items()
        for number in range(1, 1 + (scale if workload.context else 1))
        for port in workload.ports
    ]


def instances(ports: Ports, name: str) -> list[str]:
    """The instances of a workload in a home with these ports: `upload`, `upload-2`, …"""
    numbered = (_instance(name, number) for number in range(1, 10))
    return [instance for instance in numbered if any(one.rpartition("-")[0] == instance for one in ports)] or [name]


def workloads(home: Home, ports: Ports, values: Values) -> list[Process]:
    """A migration for each context, then everything that runs all the time."""
    migrations = [
        Process(
            f"{context}-migrate",
            python((f"services.{context}", "migrate")),
            waits_for=["database"],
            environment={
                **environment(home, ports, values, context),
                f"NEXTPLAY_{context.upper()}_POSTGRES_OWNER_DSN": postgres_dsn(home, ports, f"{context}_owner"),
            },
        )
        for context in values.contexts
    ]
    return migrations + [
        _workload(home, ports, values, name, instance)
        for name in values.workloads
        for instance in instances(ports, name)
    ]


def job_process(home: Home, ports: Ports, values: Values, name: str) -> Process:
    """A job as a process that runs to its end."""
    job = values.jobs[name]
    return Process(name, python(job.command), environment=environment_beside(home, ports, values, job.context), nice=5)


def environment_beside(home: Home, ports: Ports, values: Values, context: Context) -> dict[str, str]:
    """The settings of a short process of `context`, which serves nobody: any free ports will do."""
    binds = {f"NEXTPLAY_{context.upper()}_{port}_BIND": "127.0.0.1:0" for port in ("GRPC", "METRICS")}
    return environment(home, ports, values, context) | binds


def environment(home: Home, ports: Ports, values: Values, context: Context | None) -> dict[str, str]:
    """The settings of a process of `context` (None: the gateway), but for the addresses that it binds itself."""
    issuer = open_issuer(home, ports["identity"])
    settings = {
        "NEXTPLAY_IDENTITY_ISSUER": issuer.url,
        "NEXTPLAY_IDENTITY_JWKS_URL": f"{issuer.url}/jwks.json",
        "NEXTPLAY_LOG_LEVEL": "INFO",
    }
    for name, workload in values.workloads.items():
        if "grpc" in workload.ports:
            reached = [f"127.0.0.1:{ports[_port(one, 'grpc')]}" for one in instances(ports, name)]
            # gRPC's name for several addresses, between which a client balances.
            settings[f"NEXTPLAY_{name.upper()}_ADDRESS"] = (
                f"ipv4:{','.join(reached)}" if len(reached) > 1 else reached[0]
            )
    if context is None:
        return settings | _pages(issuer, ports)
    if context == "catalog":
        settings["NEXTPLAY_PUBLIC_URL"] = f"http://127.0.0.1:{ports['gateway']}"
        settings["NEXTPLAY_CATALOG_PLAYBACK_KEY"] = home.keys["playback"]
        if "replica" in ports:
            settings["NEXTPLAY_CATALOG_POSTGRES_REPLICA_DSN"] = postgres_dsn(home, ports, context, "replica")
    if context == "notify":
        # A key of Web Push is any 32 bytes, all but a few in 2^32 of which are a number below the order of P-256.
        settings["NEXTPLAY_NOTIFY_VAPID_PRIVATE_KEY"] = _base64url(bytes.fromhex(home.keys["vapid"]))
        settings["NEXTPLAY_NOTIFY_VAPID_CONTACT"] = "mailto:local@nextplay.example"
        settings["NEXTPLAY_NOTIFY_WEBHOOK_KEY"] = home.keys["webhook"]
        # Receivers of webhooks and of Web Push are on this machine too.
        settings["NEXTPLAY_NOTIFY_CALLED_ALLOW_HTTP"] = "true"
        settings["NEXTPLAY_NOTIFY_CALLED_NETWORKS"] = '["127.0.0.0/8", "::1/128"]'
    if context in POLICIES:
        s3 = s3_access(home, ports, context)
        for name in ("endpoint", "bucket", "region", "access_key", "secret_key"):
            settings[f"NEXTPLAY_S3_{name.upper()}"] = s3[name]
    return settings | {
        f"NEXTPLAY_{context.upper()}_POSTGRES_DSN": postgres_dsn(home, ports, context),
        "NEXTPLAY_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{ports['kafka']}",
        "NEXTPLAY_PAGE_TOKEN_KEY": home.keys["page-token"],
        "NEXTPLAY_SERVICE_TOKEN_FILE": str(service_token_file(home, context)),
    }


def _pages(issuer: Issuer, ports: Ports) -> dict[str, str]:
    """The gateway's settings for Studio, in which anybody may be whom they like here."""
    users = [{"name": name, "user_id": str(user_id(name))} for name in STUDIO_USERS]
    return {
        "NEXTPLAY_GATEWAY_WEB_DIRECTORY": str(WEB),
        "NEXTPLAY_GATEWAY_STUDIO_ORIGINS": json.dumps([f"http://127.0.0.1:{ports['s3']}", issuer.url]),
        "NEXTPLAY_GATEWAY_STUDIO_LOCAL_ISSUER": json.dumps({"token_url": f"{issuer.url}/token", "users": users}),
    }


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _workload(home: Home, ports: Ports, values: Values, name: str, instance: str) -> Process:
    """A service waits for its migration alone: services find each other by retrying, as they must after a crash. The
    gateway waits for nothing, and stops first."""
    workload = values.workloads[name]
    binds = {
        f"NEXTPLAY_{name.upper().replace('-', '_')}_{port.upper()}_BIND": f"127.0.0.1:{ports[_port(instance, port)]}"
        for port in workload.ports
    }
    if name == "media-worker":
        binds["NEXTPLAY_MEDIA_WORKER_DIRECTORY"] = str(home.data / instance)
    others = [one for other in values.workloads if other != name for one in instances(ports, other)]
    return Process(
        instance,
        python(workload.command),
        ready=answers(ports[_port(instance, workload.probe)], "/readyz"),
        waits_for=["bucket", "topics", f"{workload.context}-migrate"] if workload.context else [],
        stops_before=[] if workload.context else others,
        environment={**environment(home, ports, values, workload.context), **binds},
        nice=workload.nice,
        stop_seconds=30,
    )


def python(command: Sequence[str]) -> list[str]:
    """What runs a module as the values name it."""
    return [sys.executable, "-m", *command]


def _instance(workload: str, number: int) -> str:
    return workload if number == 1 else f"{workload}-{number}"


def _port(workload: str, port: str) -> str:
    return workload if port == "http" else f"{workload}-{port}"
