"""A server's rules are read as they were set, and damaged ones accept nothing."""

from __future__ import annotations

import pytest

from bot.domain.errors import RefusedError, RefusedForNow
from bot.domain.settings.kinds import SettingsContext
from bot.domain.settings.rules_and_defaults import Approval, ServerRules
from bot.store import Store
from bot.store.rules import read_rules
from tests.contract.store.rows import audit_log, stored_rules
from tests.contract.store.runs import NOW

pytestmark = pytest.mark.sqlite_only

ADA = 7
# Not the server to which the fixture `store` gives rules.
GUILD = 9
AROUND = SettingsContext(role_ids=frozenset({5}))


async def test_values_of_every_kind_are_read_as_they_were_set(store: Store) -> None:
    wanted = ServerRules.model_validate(
        {
            "reviewer_role_id": 2**63 - 1,
            "approval": {"mode": "without_roles", "review_channel_id": 5, "exempt_roles": [3, 1, 2]},
            "budgets": {
                "person": {"at_once": None},
                "roles": {"9": {"unlimited": True}},
                "gpu_weights": {"A100": 2.5},
            },
            "words": {"blocked": ["ä", "z"]},
            "gpu_roles": {"H100": [4], "T4": []},
        }
    )
    await store.rules.change(GUILD, ADA, lambda _: wanted, NOW, AROUND)
    assert await store.rules.get(GUILD) == wanted


async def test_neither_an_empty_nor_a_refused_change_is_stored(store: Store) -> None:
    assert await store.rules.change(GUILD, ADA, lambda old: old, NOW, AROUND) == []

    def refused(_: ServerRules) -> ServerRules:
        raise RefusedError("settings_stale")

    with pytest.raises(RefusedError):
        await store.rules.change(GUILD, ADA, refused, NOW, AROUND)
    assert await store.rules.get(GUILD) == ServerRules()
    assert await audit_log(store) == []


async def test_damaged_rules_are_shown_without_the_unreadable_settings(store: Store) -> None:
    approval = {"mode": "everybody", "review_channel_id": 5, "hours": 100_000}
    people = {"account_days": 5}
    damaged = {"people": people, "approval": approval, "spoiler": "sometimes", "from_a_newer_version": 1}
    await stored_rules(store, GUILD, damaged)
    rules, lost = await store.rules.read(GUILD)
    assert (rules.people.account_days, rules.approval) == (5, Approval())
    assert lost == ("approval", "spoiler")


async def test_damaged_rules_accept_no_request_until_a_moderator_saves_them(store: Store) -> None:
    for guild_id, damage in enumerate(([], "text", 7, {"people": 3})):
        await stored_rules(store, guild_id, damage)
        with pytest.raises(RefusedForNow, match="rules_unreadable"):
            await store.database.read(read_rules, guild_id)
        await store.rules.change(guild_id, ADA, lambda old: old, NOW, AROUND)
        assert await store.database.read(read_rules, guild_id) == ServerRules()
        ((label, _, new),) = (await audit_log(store))[-1].details["changes"]
        assert (label, new) == ("Unreadable settings", "the default"), damage
