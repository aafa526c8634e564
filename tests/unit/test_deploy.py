"""The files for deployment agree with the bot: settings, roles, ports, paths and packages.

`make lint` checks the files against their schemas.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import yaml
from sqlalchemy import make_url

from bot import __version__
from bot.config.fields import Role
from bot.config.settings import NAMES, Settings, load_settings
from bot.config.settings import SECRETS as NAMES_OF_SECRETS
from bot.domain.backend import WEBHOOK_PATH

ROOT = Path(__file__).parents[2]
SECRETS = {
    "DISCORD_TOKEN": "a.b.c",
    "COMFYDEPLOY_API_KEY": "eyJ",
    "COMFYDEPLOY_DEPLOYMENT_ID": str(UUID(int=1)),
    "DATABASE_URL": "postgresql://bot:x@postgres/bot",
}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_make_installs_into_the_environment_of_a_running_bot_and_removes_nothing(tmp_path: Path) -> None:
    for name, text in {
        "Makefile": read("Makefile"),
        "requirements/dev.txt": "ruff==1",
        ".venv/bin/python": '#!/bin/sh\necho "$@" >> called\n',
        ".venv/lib/of_the_bot.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / ".venv/bin/python").chmod(0o755)
    make = ["make", f"PYTHON={sys.executable}", ".venv/.ready"]
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True)  # noqa: S603  # our own Makefile
    assert (tmp_path / ".venv/lib/of_the_bot.py").exists()
    called = (tmp_path / "called").read_text(encoding="utf-8").splitlines()
    assert called[-1].endswith("--require-hashes -r requirements/dev.txt")


COMPOSE = {name: yaml.safe_load(read(name)) for name in ("compose.yaml", "compose.postgres.yaml")}


@pytest.fixture(autouse=True)
def no_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings_of(environment: dict[str, str]) -> Settings:
    """Return the settings of a container; its files of secrets are in the test's folder instead."""
    given = SECRETS | environment
    for name in (each for each in NAMES_OF_SECRETS if environment.get(f"{each}_FILE")):
        Path(name).write_text(given.pop(name), encoding="utf-8")
        given[f"{name}_FILE"] = name
    assert given.keys() <= {*NAMES, *(f"{name}_FILE" for name in NAMES_OF_SECRETS)}
    return load_settings(given)


@pytest.mark.parametrize("files", [(), ("DISCORD_TOKEN_FILE", "COMFYDEPLOY_API_KEY_FILE")])
@pytest.mark.parametrize("name", COMPOSE)
def test_compose_starts_each_role_once_with_settings_that_the_bot_takes(
    name: str, files: tuple[str, ...]
) -> None:
    roles: list[Role] = []
    services = COMPOSE[name]["services"]
    for service in services.values():
        if "build" not in service:
            continue
        environment = {
            key: re.sub(r"\$\{(\w+):\+(.*?)\}", lambda found: found[2] * (found[1] in files), text)
            for key, text in service["environment"].items()
        }
        mounted = {environment.get(file, "").rpartition("/")[2] for file in files}
        assert mounted <= set(service["secrets"]) <= set(COMPOSE[name]["secrets"])
        settings = settings_of({key: re.sub(r"\$\{.*?\}", "x", text) for key, text in environment.items()})
        roles += settings.roles
        assert service["mem_limit"]
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
    (port,), (volume,), (command,), (place,) = (
        re.findall(pattern, read("Dockerfile"), re.MULTILINE)
        for pattern in (
            r"^EXPOSE (\d+)$",
            r"^VOLUME (\S+)$",
            r"^HEALTHCHECK[^[]*(\[.*\])$",
            r"^RUN ln -s /data (\S+)$",
        )
    )
    assert int(port) == Settings.model_fields["web_port"].default
    default = Settings.model_fields["database_url"].default.get_secret_value()
    assert (volume, default) == ("/data", f"sqlite:///{place}/bot.db")
    assert "DATABASE_URL=" not in read("Dockerfile")  # it would exclude DATABASE_URL_FILE
    assert json.loads(command) == ["python", "-m", "bot", "healthcheck"]


def test_each_image_from_elsewhere_has_a_digest() -> None:
    files = "".join(map(read, ("Dockerfile", "deploy/picture_check.Dockerfile", "compose.postgres.yaml")))
    images = re.findall(r"^(?:FROM| *image:) ([a-z].*)", files, re.MULTILINE)
    assert [bool(re.search(r"@sha256:[0-9a-f]{64}\b", image)) for image in images] == [True] * 5


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
        own[variable["name"]] = str(ordinal) if "valueFrom" in variable else variable["value"]
    (mount,) = (each for each in container["volumeMounts"] if each["name"] == "secrets")
    (volume,) = (each for each in WORKLOADS[name]["template"]["spec"]["volumes"] if each["name"] == "secrets")
    files = {value for key, value in own.items() if key.endswith("_FILE")}
    keys = [each["path"] for each in volume["secret"].get("items", ())] or [*SECRETS.keys() - SHARED.keys()]
    assert files == {f"{mount['mountPath']}/{key}" for key in keys}
    return settings_of(SHARED | own | {"COMFYDEPLOY_DEPLOYMENT_ID": SECRETS["COMFYDEPLOY_DEPLOYMENT_ID"]})


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
