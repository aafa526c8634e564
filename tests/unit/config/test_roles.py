"""Which roles and shards a process has, as the settings say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.config.roles import ALL_ROLES, Role, Shards
from bot.config.settings import load_settings
from bot.domain.errors import StartupError
from tests.unit.config.environment import load, mistakes, write_env

POSTGRES = "postgresql+asyncpg://bot:pw@host/bot"


def test_by_default_one_process_does_all_without_shards() -> None:
    settings = load()
    assert settings.roles == ALL_ROLES
    assert settings.shards is None


def test_roles_are_read_in_any_order_and_case() -> None:
    assert load(ROLES="Courier, gateway", DATABASE_URL=POSTGRES).roles == {Role.GATEWAY, Role.COURIER}


@pytest.mark.parametrize("wrong", ["gatway", "web;courier", ","])
def test_a_wrong_role_is_one_sentence_with_the_right_ones(wrong: str) -> None:
    (sentence,) = mistakes(ROLES=wrong)
    assert sentence.startswith("ROLES must be one or more of gateway, web, courier, reconcile")
    assert repr(wrong) in sentence


def test_a_process_that_only_takes_webhooks_needs_no_key_and_no_deployment(tmp_path: Path) -> None:
    write_env(ROLES="web", DATABASE_URL=POSTGRES)
    settings = load_settings()
    assert settings.roles == {Role.WEB}
    assert settings.secret_values() == ("pw",)


@pytest.mark.parametrize("role", ["gateway", "courier", "reconcile", "web,courier"])
def test_every_other_role_needs_both_keys(role: str) -> None:
    write_env(ROLES=role)
    with pytest.raises(StartupError) as caught:
        load_settings()
    said = " ".join(caught.value.mistakes)
    assert "DISCORD_TOKEN is missing" in said
    assert "COMFYDEPLOY_API_KEY is missing" in said
    assert "No deployment is named" in said


def test_shards_of_this_process() -> None:
    assert load(SHARD_COUNT="4", SHARD_IDS="2, 3", DATABASE_URL=POSTGRES).shards == Shards(4, (2, 3))
    assert load(SHARD_COUNT="2").shards == Shards(2, (0, 1))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"SHARD_IDS": "0"}, "SHARD_IDS is set without SHARD_COUNT"),
        ({"SHARD_COUNT": "2", "SHARD_IDS": "1,2"}, "SHARD_IDS names shard 2"),
        ({"SHARD_COUNT": "2", "SHARD_IDS": "one"}, "'one' isn't one"),
        ({"SHARD_COUNT": "0"}, "SHARD_COUNT must be a whole number from 1"),
    ],
)
def test_shards_that_cannot_be_are_one_sentence(values: dict[str, str], words: str) -> None:
    (sentence,) = mistakes(**values)
    assert words in sentence


@pytest.mark.parametrize("database", ["", "sqlite+aiosqlite:///bot.db"])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ROLES", {"ROLES": "courier"}),
        ("ROLES", {"ROLES": "gateway,web,courier"}),
        ("SHARD_IDS", {"SHARD_COUNT": "4", "SHARD_IDS": "2, 3"}),
    ],
)
def test_sqlite_belongs_to_one_process(name: str, values: dict[str, str], database: str) -> None:
    (sentence,) = mistakes(**values, **({"DATABASE_URL": database} if database else {}))
    assert sentence.startswith(f"{name} splits the bot over several processes")
    assert "Name a PostgreSQL database in DATABASE_URL" in sentence
    assert load(**values, DATABASE_URL=POSTGRES)


@pytest.mark.parametrize(
    "values", [{"ROLES": "gateway,web,courier,reconcile"}, {"SHARD_COUNT": "2", "SHARD_IDS": "0,1"}]
)
def test_one_process_with_every_role_and_shard_may_use_sqlite(values: dict[str, str]) -> None:
    assert load(**values)
