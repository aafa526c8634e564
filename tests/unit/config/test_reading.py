"""The settings: defaults, the example, the deployments' source, and warnings."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from dotenv import dotenv_values

from bot.config.settings import NAMES, load_settings
from tests.unit.config.environment import API_KEY, DEPLOYMENT, REQUIRED, TOKEN, load, mistakes, write_env


def test_the_required_variables_are_enough() -> None:
    settings = load()
    assert settings.discord_token.get_secret_value() == TOKEN
    assert settings.comfydeploy_api_url == "https://api.comfydeploy.com/api"
    assert settings.database_url.get_secret_value() == "sqlite+aiosqlite:///data/bot.db"
    assert (settings.web_host, settings.web_port) == ("0.0.0.0", 8080)  # noqa: S104  # the documented default
    assert (settings.poll_interval_seconds, settings.run_deadline_seconds) == (15, 3600)
    assert settings.submit_grace_seconds == 180
    assert settings.allowed_guild_ids is None
    assert settings.command_guild_ids == ()
    assert settings.max_concurrent_runs is None
    assert (settings.log_level, settings.log_format) == ("INFO", "text")


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_PORT", "9000")
    assert load(WEB_PORT="7000").web_port == 9000


def test_values_are_read_liberally() -> None:
    settings = load(
        COMMAND_GUILD_IDS=" 5, 7 ,5,",
        ALLOWED_GUILD_IDS="9",
        ALLOW_PRIVATE_MEDIA_HOSTS="Yes",
        LOG_LEVEL="debug",
        LOG_FORMAT="JSON",
        PUBLIC_URL="https://bot.example.com/comfy/",
        DATABASE_URL="postgresql+asyncpg://bot:pa%40ss@db/bot",
        COMFYDEPLOY_DEPLOYMENT_ID=DEPLOYMENT.upper(),
    )
    assert settings.command_guild_ids == (5, 7)
    assert settings.allowed_guild_ids == (9,)
    assert settings.allow_private_media_hosts is True
    assert (settings.log_level, settings.log_format) == ("DEBUG", "json")
    assert settings.public_url == "https://bot.example.com/comfy"
    assert settings.comfydeploy_deployment_id == DEPLOYMENT
    assert "pa@ss" in settings.secret_values()


def test_neither_repr_nor_dump_shows_a_secret() -> None:
    settings = load(WEBHOOK_SECRET="0123456789abcdef", DATABASE_URL="postgresql+asyncpg://bot:hunter2@db/bot")
    for secret in (TOKEN, API_KEY, "0123456789abcdef", "hunter2"):
        assert secret in settings.secret_values()
        assert secret not in f"{settings!r} {settings} {settings.model_dump()}"


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({}, "PUBLIC_URL is not set: the bot asks ComfyDeploy for results instead, first after 15 seconds"),
        ({"PUBLIC_URL": "http://bot.example.com"}, "PUBLIC_URL is http:"),
        ({"PUBLIC_URL": "https://localhost:8080"}, "PUBLIC_URL is an address of this machine only"),
        ({"COMFYDEPLOY_API_URL": "http://comfy.example.com/api"}, "COMFYDEPLOY_API_URL is http:"),
        ({"ALLOW_USER_INSTALLS": "true"}, "ALLOW_USER_INSTALLS lets anybody"),
        (
            {"COMMAND_GUILD_IDS": "1", "ALLOW_USER_INSTALLS": "true"},
            "COMMAND_GUILD_IDS keeps the commands to those servers",
        ),
        ({"PUBLIC_ULR": "https://h"}, "PUBLIC_ULR is not a setting of this bot. Did you mean PUBLIC_URL?"),
    ],
)
def test_a_probable_slip_is_a_warning(values: dict[str, str], start: str) -> None:
    assert any(warning.startswith(start) for warning in load(**values).warnings())


def test_a_sound_setup_warns_of_nothing() -> None:
    assert load(PUBLIC_URL="https://bot.example.com", UNRELATED="x").warnings() == ()
    local = load(PUBLIC_URL="http://127.0.0.1:8080", COMFYDEPLOY_API_URL="http://127.0.0.1:9000/api")
    assert local.warnings() == ()


def test_a_missing_env_file_leaves_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    assert load_settings().comfydeploy_deployment_id == DEPLOYMENT


EXAMPLE = Path(__file__).parents[3] / ".env.example"


def test_the_example_names_every_setting_and_no_other() -> None:
    assert sorted(dotenv_values(EXAMPLE)) == sorted(NAMES)


def test_the_values_of_the_example_are_the_defaults() -> None:
    example = {name: value for name, value in dotenv_values(EXAMPLE).items() if value}
    write_env(**{**example, **REQUIRED})
    from_example = load_settings()
    assert from_example == load()


def test_every_setting_of_the_example_is_explained() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if "=" in line and not line.startswith("#") and not line.startswith("WEB_PORT"):
            assert before.startswith("# "), line


def test_two_sources_of_deployments_are_refused() -> None:
    Path("mine.toml").touch()
    (sentence,) = mistakes(DEPLOYMENTS_FILE="mine.toml")
    assert "COMFYDEPLOY_DEPLOYMENT_ID and DEPLOYMENTS_FILE are both set" in sentence


def test_a_named_deployments_file_must_be_there() -> None:
    found = mistakes(COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="mine.toml")
    assert found == ("DEPLOYMENTS_FILE names 'mine.toml', which is not there.",)


def test_deployments_toml_is_used_when_nothing_else_is_named() -> None:
    Path("deployments.toml").write_text(
        f'[deployments.a]\ndeployment_id = "{DEPLOYMENT}"\n', encoding="utf-8"
    )
    assert load(COMFYDEPLOY_DEPLOYMENT_ID="").deployments_file == Path("deployments.toml")


def test_a_deployments_toml_that_is_not_read_is_told() -> None:
    Path("deployments.toml").touch()
    settings = load()
    assert settings.deployments_file is None
    assert any("deployments.toml is not read" in warning for warning in settings.warnings())


def test_a_folder_is_no_file_of_deployments() -> None:
    Path("mine").mkdir()
    found = mistakes(COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="mine")
    assert found == ("DEPLOYMENTS_FILE names 'mine', which is a folder. Name the file in it.",)
    Path("deployments.toml").mkdir()
    assert mistakes(COMFYDEPLOY_DEPLOYMENT_ID="") == ("deployments.toml is a folder. Name the file in it.",)


def test_a_name_that_no_file_can_have() -> None:
    found = mistakes(COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE="a" * 5000)
    assert found == (f"DEPLOYMENTS_FILE names '{'a' * 99}…', which can't be read: File name too long.",)


def test_the_mistakes_of_both_files_are_told_at_once() -> None:
    Path("deployments.toml").write_text(
        f'[deployments.a]\ndeployment_id = "{DEPLOYMENT}"\nguid = 1\n[deployments.b]\ntitle = 3\n',
        encoding="utf-8",
    )
    found = mistakes(COMFYDEPLOY_DEPLOYMENT_ID="", DISCORD_TOKEN="", WEB_PORT="many", ROLES="gatway")
    for words in ("DISCORD_TOKEN", "WEB_PORT", "ROLES", "'guid'", "'title'", "'deployment_id' is missing"):
        assert [sentence for sentence in found if words in sentence], (words, found)
