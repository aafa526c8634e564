"""The files for deployment agree with the bot: settings, roles, ports, paths and packages.

`make lint` checks the files against their schemas.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import yaml
from sqlalchemy import make_url

from bot import __version__
from bot.comfydeploy.wire import WEBHOOK_PATH
from bot.config.fields import Role
from bot.config.settings import NAMES, Settings, load_settings

ROOT = Path(__file__).parents[2]
SECRETS = {
    "DISCORD_TOKEN": "a.b.c",
    "COMFYDEPLOY_API_KEY": "eyJ",
    "COMFYDEPLOY_DEPLOYMENT_ID": str(UUID(int=1)),
    "DATABASE_URL": "postgresql://bot:x@postgres/bot",
}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


COMPOSE = {name: yaml.safe_load(read(name)) for name in ("compose.yaml", "compose.postgres.yaml")}


@pytest.fixture(autouse=True)
def no_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", COMPOSE)
def test_compose_starts_each_role_once_with_settings_that_the_bot_takes(name: str) -> None:
    roles: list[Role] = []
    services = COMPOSE[name]["services"]
    for service in services.values():
        if "build" not in service:
            continue
        environment = {key: re.sub(r"\$\{.*?\}", "x", text) for key, text in service["environment"].items()}
        assert set(environment) <= set(NAMES)
        settings = load_settings(SECRETS | environment)
        roles += settings.roles
        port = f"${{WEB_PORT:-{settings.web_port}}}"
        published = [f"127.0.0.1:{port}:{port}"] if Role.WEB in settings.roles else []
        assert service.get("ports", []) == published
        url = make_url(settings.database_url.get_secret_value())
        if url.host is None:
            assert f"data:{Path(url.database or '').parent}" in service["volumes"]
        else:
            database = services[url.host]["environment"]
            assert (database["POSTGRES_USER"], database["POSTGRES_DB"]) == (url.username, url.database)
    assert sorted(roles) == sorted(Role)


def test_the_image_has_the_bots_port_volume_and_health_check() -> None:
    (port,), (volume,), (command,) = (
        re.findall(pattern, read("Dockerfile"), re.MULTILINE)
        for pattern in (r"^EXPOSE (\d+)$", r"^VOLUME (\S+)$", r"^HEALTHCHECK[^[]*(\[.*\])$")
    )
    assert int(port) == Settings.model_fields["web_port"].default
    assert f"DATABASE_URL=sqlite:///{volume}/bot.db" in read("Dockerfile")
    assert json.loads(command) == ["python", "-m", "bot", "healthcheck"]


def test_the_bot_and_the_demo_run_with_the_packages_that_the_tests_have() -> None:
    run, demo, checker, dev = (
        set(re.findall(r"^[\w.-]+==\S+", read(f"requirements/{name}.txt"), re.MULTILINE))
        for name in ("run", "demo", "picture_check", "dev")
    )
    assert len(run) > 20
    assert run | demo <= dev
    assert checker <= run  # so that the audit of the bot's packages covers them


def test_the_wheel_has_every_file_of_the_packages() -> None:
    data = tomllib.loads(read("pyproject.toml"))["tool"]["setuptools"]["package-data"]
    packed = {
        path
        for package, patterns in data.items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    files = [path for name in ("bot", "cogs") for path in (ROOT / name).rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix not in (".py", ".pyc") and path not in packed] == []


KUBERNETES = "deploy/kubernetes"
KUSTOMIZATION = yaml.safe_load(read(f"{KUBERNETES}/kustomization.yaml"))
OBJECTS = [
    each for name in KUSTOMIZATION["resources"] for each in yaml.safe_load_all(read(f"{KUBERNETES}/{name}"))
]
SHARED = next(each["data"] for each in OBJECTS if each["kind"] == "ConfigMap")
WORKLOADS: dict[str, dict[str, Any]] = {
    each["metadata"]["name"]: each["spec"]
    for each in OBJECTS
    if each["kind"] in ("Deployment", "StatefulSet")
}


def pod_settings(name: str, ordinal: int = 0) -> Settings:
    """Return the settings of the bot in a pod."""
    (container,) = WORKLOADS[name]["template"]["spec"]["containers"]
    own = {}
    for variable in container["env"]:
        source = variable.get("valueFrom", {})
        known = SECRETS.get(variable["name"]) if "secretKeyRef" in source else str(ordinal)
        own[variable["name"]] = known if source else variable["value"]
    assert set(SHARED | own) <= set(NAMES)
    return load_settings(SHARED | own | {"COMFYDEPLOY_DEPLOYMENT_ID": SECRETS["COMFYDEPLOY_DEPLOYMENT_ID"]})


def test_each_role_has_its_pods_of_this_version_and_each_shard_one_gateway() -> None:
    assert [image["newTag"] for image in KUSTOMIZATION["images"]] == [__version__]
    found = {name: pod_settings(name).roles for name in WORKLOADS}
    assert found == {role.value: {role} for role in Role}
    replicas = WORKLOADS["gateway"]["replicas"]
    pods = [pod_settings("gateway", ordinal) for ordinal in range(replicas)]
    assert [(pod.shard_count, pod.shards) for pod in pods] == [(replicas, (n,)) for n in range(replicas)]


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_ports_and_probes_of_a_pod_are_the_bots(name: str) -> None:
    settings = pod_settings(name)
    (container,) = WORKLOADS[name]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": settings.web_port, "metrics": settings.metrics_port}
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {probe["port"] for probe in probes.values()} == {"http"}
    assert [probe["path"] for probe in probes.values()] == ["/healthz", "/healthz", "/readyz"]


def test_webhooks_and_nothing_else_reach_the_web_pods() -> None:
    (rule,) = next(each["spec"]["rules"] for each in OBJECTS if each["kind"] == "Ingress")
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == (WEBHOOK_PATH, "Prefix")
    assert rule["host"] == urlsplit(pod_settings("web").public_url or "").hostname
