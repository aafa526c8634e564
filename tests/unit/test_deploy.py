"""The files for deployment: image, compose files, workflows, alert rules and dashboard."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from sqlalchemy import make_url

from bot.config.fields import Role
from bot.config.settings import NAMES, Settings, load_settings
from bot.web import application
from tests.unit.factories import app_with

ROOT = Path(__file__).parents[2]
ROUTES = {
    route.resource.canonical
    for route in application(app_with().store, None).router.routes()
    if route.resource
}


COMPOSE = {
    name: yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    for name in ("compose.yaml", "compose.postgres.yaml")
}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SECRETS = {
    "DISCORD_TOKEN": "a.b.c",
    "COMFYDEPLOY_API_KEY": "eyJ",
    "COMFYDEPLOY_DEPLOYMENT_ID": str(UUID(int=1)),
}


def bots(name: str) -> list[dict[str, Any]]:
    """Return the services of a compose file that run the bot."""
    return [service for service in COMPOSE[name]["services"].values() if "build" in service]


@pytest.mark.parametrize("name", COMPOSE)
def test_compose_starts_each_role_once_with_settings_that_the_bot_takes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    roles: list[Role] = []
    for service in bots(name):
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
            database = COMPOSE[name]["services"][url.host]["environment"]
            assert (database["POSTGRES_USER"], database["POSTGRES_DB"]) == (url.username, url.database)
    assert sorted(roles) == sorted(Role)


def test_both_compose_files_confine_the_bot_alike_and_replace_each_other() -> None:
    keys = ("image", "env_file", "read_only", "tmpfs", "cap_drop", "security_opt", "stop_grace_period")
    confined = [[service[key] for key in keys] for name in COMPOSE for service in bots(name)]
    assert len(confined) == confined.count(confined[0]) == 3
    assert {file["name"] for file in COMPOSE.values()} == {"comfydeploy-discord-bot"}


def test_the_image_has_the_bots_port_volume_and_health_check() -> None:
    (port,), (volume,), (path,) = (
        re.findall(pattern, DOCKERFILE, re.MULTILINE)
        for pattern in (r"^EXPOSE (\d+)$", r"^VOLUME (\S+)$", r"8080\}(/\w+)")
    )
    assert int(port) == Settings.model_fields["web_port"].default
    assert f"DATABASE_URL=sqlite:///{volume}/bot.db" in DOCKERFILE
    assert path in ROUTES


CHECKER_IMAGE = (ROOT / "deploy" / "picture_check.Dockerfile").read_text(encoding="utf-8")


def test_the_picture_checker_runs_confined_beside_the_bot_where_the_document_says() -> None:
    file = yaml.safe_load((ROOT / "compose.picture-check.yaml").read_text(encoding="utf-8"))
    assert file["name"] == COMPOSE["compose.yaml"]["name"]
    ((name, service),) = file["services"].items()
    (bot,) = bots("compose.yaml")
    for key in ("read_only", "cap_drop", "security_opt", "restart"):
        assert service[key] == bot[key]
    assert "ports" not in service
    url = f"http://{name}:{re.findall(r'^EXPOSE (.*)$', CHECKER_IMAGE, re.MULTILINE)[0]}/check"
    assert f"PICTURE_CHECK_URL={url}" in (ROOT / "docs" / "picture-check.md").read_text(encoding="utf-8")


def test_the_bot_and_the_demo_run_with_the_packages_that_the_tests_have() -> None:
    run, demo, checker, dev = (
        set(re.findall(r"^[\w.-]+==\S+", (ROOT / "requirements" / name).read_text("utf-8"), re.MULTILINE))
        for name in ("run.txt", "demo.txt", "picture_check.txt", "dev.txt")
    )
    assert len(run) > 20
    assert run | demo <= dev
    assert checker <= run  # so that the audit of the bot's packages covers them


def test_the_wheel_has_every_file_of_the_packages() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    packed = {
        path
        for package, patterns in tools["setuptools"]["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    files = [path for name in ("bot", "cogs") for path in (ROOT / name).rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix not in (".py", ".pyc") and path not in packed] == []


RULES = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana.json").read_text(encoding="utf-8"))
# The name of each alert and panel, with an expression of it.
EXPRESSIONS = [
    *((rule["alert"], rule["expr"]) for rule in RULES),
    *((panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]),
]


def test_each_alert_is_explained() -> None:
    about = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert [rule["alert"] for rule in RULES if f"| `{rule['alert']}` |" not in about] == []
