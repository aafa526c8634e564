"""The roles and shards of a process. `mistakes.txt` has wrong ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.config.fields import ALL_ROLES, Role, Shards
from bot.config.settings import load_settings
from bot.domain.errors import StartupError
from tests.unit.config.environment import load, write_env

POSTGRES = "postgresql://bot:pw@host/bot"


def test_by_default_one_process_does_all_without_shards() -> None:
    settings = load()
    assert settings.roles == ALL_ROLES
    assert settings.shards is None


def test_roles_are_read_in_any_order_and_case() -> None:
    assert load(ROLES="Messenger, gateway", DATABASE_URL=POSTGRES).roles == {Role.GATEWAY, Role.MESSENGER}


def test_a_process_that_only_takes_webhooks_needs_no_key_and_no_deployment(tmp_path: Path) -> None:
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


def test_shards_of_this_process() -> None:
    assert load(SHARD_COUNT="4", SHARD_IDS="2, 3", DATABASE_URL=POSTGRES).shards == Shards(4, (2, 3))
    # One process with every role and shard may use SQLite.
    assert load(SHARD_COUNT="2").shards == Shards(2, (0, 1))
    assert load(ROLES="gateway,web,messenger,reconcile").roles == ALL_ROLES
