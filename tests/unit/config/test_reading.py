"""The settings: defaults, the example, the deployments' source, and warnings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dotenv import dotenv_values

from bot.config.fields import ALL_ROLES, Role
from bot.config.settings import NAMES, configured, load_settings
from bot.domain.errors import StartupError
from tests.unit.cases import read_cases
from tests.unit.config.environment import (
    API_KEY,
    DEPLOYMENT,
    REQUIRED,
    TOKEN,
    load,
    mistakes,
    read_env,
    write_env,
)


def test_values_are_read_liberally(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(WEB_PORT="0", METRICS_PORT="0").metrics_port == 0
    monkeypatch.setenv("WEB_PORT", "9000")
    settings = load(
        WEB_PORT="7000",  # the environment wins
        METRICS_PORT="0",  # the system chooses one, as it may twice
        ALLOWED_GUILD_IDS=" 5, 7 ,5,",
        ALLOW_PRIVATE_MEDIA_NETWORKS=" 10.0.0.0/8, fd12::/16,10.0.0.0/8,192.168.1.5,",
        LOG_LEVEL="debug",
        LOG_FORMAT="JSON",
        PUBLIC_URL="https://bot.example.com/comfy/",
        DATABASE_URL="postgresql://bot:pa%40ss@db/bot",
        COMFYDEPLOY_DEPLOYMENT_ID=DEPLOYMENT.upper(),
        ROLES="Messenger, gateway",
        SHARD_COUNT="4",
        SHARD_IDS="2, 3",
    )
    assert (settings.web_port, settings.metrics_port) == (9000, 0)
    assert settings.allowed_guild_ids == (5, 7)
    networks = ["10.0.0.0/8", "fd12::/16", "192.168.1.5/32"]
    assert [str(network) for network in settings.allow_private_media_networks] == networks
    assert (settings.log_level, settings.log_format) == ("DEBUG", "json")
    assert settings.public_url == "https://bot.example.com/comfy"
    assert settings.comfydeploy_deployment_id == DEPLOYMENT
    assert "pa@ss" in settings.secret_values()
    assert settings.roles == {Role.GATEWAY, Role.MESSENGER}
    assert (settings.shard_count, settings.shards) == (4, (2, 3))


def test_neither_repr_nor_dump_shows_a_secret() -> None:
    secrets = {"WEBHOOK_SECRET": "0123456789abcdef", "METRICS_TOKEN": "fedcba9876543210"}
    secrets["PICTURE_CHECK_SECRET"] = "made-up-picture-secret"
    settings = load(DATABASE_URL="postgresql://bot:hunter2@db/bot", **secrets)
    for secret in (TOKEN, API_KEY, "hunter2", *secrets.values()):
        assert secret in settings.secret_values()
        assert secret not in f"{settings!r} {settings} {settings.model_dump()}"


@pytest.mark.parametrize(("text", "sentences"), read_cases(Path(__file__).with_name("warnings.txt")))
def test_probable_slips_are_warnings(text: str, sentences: tuple[str, ...]) -> None:
    assert tuple(load(**read_env(text)).warnings()) == sentences


EXAMPLE = Path(__file__).parents[3] / ".env.example"


def test_the_example_names_every_setting_and_no_other() -> None:
    assert sorted(dotenv_values(EXAMPLE)) == sorted(NAMES)


def test_the_values_of_the_example_are_the_defaults() -> None:
    example = {name: value for name, value in dotenv_values(EXAMPLE).items() if value}
    write_env(**{**example, **REQUIRED})
    from_example = load_settings(os.environ)
    assert from_example == load()
    assert (from_example.allowed_guild_ids, from_example.roles) == (None, ALL_ROLES)


def test_two_sources_of_deployments_are_refused() -> None:
    Path("mine.toml").touch()
    (sentence,) = mistakes(DEPLOYMENTS_FILE="mine.toml")
    assert "COMFYDEPLOY_DEPLOYMENT_ID and DEPLOYMENTS_FILE are both set" in sentence


def test_deployments_toml_is_read_if_nothing_else_is_named() -> None:
    text = f'[deployments.a]\ndeployment_id = "{DEPLOYMENT}"\n'
    Path("deployments.toml").write_text(text, encoding="utf-8")
    (config,) = configured(load(COMFYDEPLOY_DEPLOYMENT_ID="")).deployments.values()
    assert config.name == "a"
    settings = load()
    assert [*configured(settings).deployments] == ["default"]
    assert any("deployments.toml is not read" in warning for warning in settings.warnings())


@pytest.mark.parametrize("name", ["mine", "nowhere.toml", "a" * 5000])
def test_a_folder_or_an_endless_name_is_no_file_of_deployments(name: str) -> None:
    Path("mine").mkdir()
    settings = load(COMFYDEPLOY_DEPLOYMENT_ID="", DEPLOYMENTS_FILE=name)
    with pytest.raises(StartupError, match="can't be read"):
        configured(settings)


# Addresses. `mistakes_in_addresses.txt` has those that are refused.


def test_hosts() -> None:
    for host in ("::", "127.0.0.1", "localhost", "bot_1", "bücher.example", "example.com."):
        assert load(WEB_HOST=host).web_host == host
        place = f"[{host}]" if ":" in host else host
        assert load(PUBLIC_URL=f"https://{place}:8443/").public_url == f"https://{place}:8443"


PLACES = ("db_1:5432/bot", "bücher.example/bot", "[::1]:5432/bot", "/bot?host=/run/postgresql", "/bot")
PLACES += ("/bot?host=a:5432&host=b:5433", "host/bot?ssl=verify-full&target_session_attrs=read-write")


@pytest.mark.parametrize("place", PLACES)
def test_places_of_a_database(place: str) -> None:
    url = f"postgresql://bot@server:pa%40ss@{place}"
    assert load(DATABASE_URL=url).database_url.get_secret_value() == url


# Roles and shards. `mistakes.txt` has wrong ones.


POSTGRES = "postgresql://bot:pw@host/bot"


def test_a_process_that_only_takes_webhooks_needs_no_key_and_no_deployment() -> None:
    write_env(ROLES="web", DATABASE_URL=POSTGRES)
    settings = load_settings(os.environ)
    assert settings.roles == {Role.WEB}
    assert settings.secret_values() == ("pw",)


@pytest.mark.parametrize("role", ["gateway", "messenger", "reconcile", "web,messenger"])
def test_every_other_role_needs_both_keys(role: str) -> None:
    write_env(ROLES=role)
    with pytest.raises(StartupError) as caught:
        load_settings(os.environ)
    said = " ".join(caught.value.mistakes)
    assert "DISCORD_TOKEN is missing. Create a bot at" in said
    assert "copy it. Write it into .env." in said
    assert "No deployment is named" in said


def test_one_process_with_every_role_and_shard_may_use_sqlite() -> None:
    assert load(SHARD_COUNT="2").shards == (0, 1)
    assert load(ROLES="gateway,web,messenger,reconcile").roles == ALL_ROLES
