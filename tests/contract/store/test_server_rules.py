"""A server's rules: read, changed with their line in the record, and safe under several moderators."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from pydantic import ValidationError

from bot.domain.errors import InputError
from bot.domain.settings.rules_and_defaults import ApprovalMode, ServerRules, with_values
from bot.store import Store
from bot.store.rules import RuleStore, read_rules
from tests.contract.store.rows import audit_log, stored_rules
from tests.contract.store.runs import NOW

ADA, BEN = 7, 8
GUILD = 9


def longer(rules: ServerRules) -> ServerRules:
    return with_values(rules, {"approval.hours": rules.approval.hours + 1})


async def test_a_server_that_set_nothing_has_the_defaults(store: Store) -> None:
    assert await RuleStore(store.database).get(GUILD) == ServerRules()


async def test_a_change_is_read_by_another_process_and_is_for_that_server_only(
    store: Store, other: Store
) -> None:
    await RuleStore(store.database).change(GUILD, ADA, longer, NOW, "approval.hours")
    assert (await RuleStore(other.database).get(GUILD)).approval.hours == 25
    assert await RuleStore(other.database).get(GUILD + 1) == ServerRules()
    async with other.database.read() as connection:
        assert (await read_rules(connection, GUILD)).approval.hours == 25
        assert await read_rules(connection, None) == ServerRules()


async def test_a_change_stands_in_the_record_with_who_when_and_what(store: Store) -> None:
    rules = RuleStore(store.database)
    await rules.change(GUILD, ADA, longer, NOW, "approval.hours")
    for words in (("a", "b"), ("b", "c")):
        change = partial(with_values, values={"words.blocked": words})
        await rules.change(GUILD, BEN, change, NOW, "words.list")
    first, _, last = await audit_log(store)
    assert (first.guild_id, first.actor_id, first.at, first.action) == (GUILD, ADA, NOW, "settings")
    assert first.details == {
        "what": "approval.hours",
        "changes": {"approval.hours": {"from": 24, "to": 25}},
    }
    assert last.actor_id == BEN
    assert last.details["changes"] == {"words.blocked": {"added": ["c"], "removed": ["a"]}}


@pytest.mark.sqlite_only
async def test_a_change_that_changes_nothing_writes_nothing(store: Store) -> None:
    rules = RuleStore(store.database)
    assert await rules.change(GUILD, ADA, lambda old: old, NOW, "spoiler") == ServerRules()
    assert await audit_log(store) == []


@pytest.mark.sqlite_only
async def test_a_refused_edit_leaves_no_trace(store: Store) -> None:
    rules = RuleStore(store.database)
    await rules.change(GUILD, ADA, longer, NOW, "approval.hours")
    with pytest.raises(InputError):
        await rules.change(
            GUILD, ADA, lambda old: with_values(old, {"approval.hours": 0}), NOW, "approval.hours"
        )
    assert (await rules.get(GUILD)).approval.hours == 25
    assert len(await audit_log(store)) == 1


async def test_many_moderators_in_several_processes_lose_no_change(store: Store, other: Store) -> None:
    stores = [RuleStore(store.database), RuleStore(other.database)]
    await asyncio.gather(*(stores[n % 2].change(GUILD, n, longer, NOW, "approval.hours") for n in range(12)))
    assert (await stores[0].get(GUILD)).approval.hours == 24 + 12
    told = [entry.details["changes"]["approval.hours"]["to"] for entry in await audit_log(store)]
    assert sorted(told) == list(range(25, 37))


async def test_every_kind_of_value_comes_back_as_it_was_set(store: Store) -> None:
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
    rules = RuleStore(store.database)
    await rules.change(GUILD, ADA, lambda _: wanted, NOW, "all")
    assert await rules.get(GUILD) == wanted


async def test_of_damaged_rules_the_readable_rest_is_shown_and_the_loss_is_named(store: Store) -> None:
    await stored_rules(
        store,
        GUILD,
        {
            "approval": {"mode": "everybody", "review_channel_id": 5, "hours": 100_000},
            "spoiler": "sometimes",
            "from_a_newer_version": 1,
        },
    )
    rules, lost = await RuleStore(store.database).read(GUILD)
    assert (rules.approval.mode, rules.approval.review_channel_id) == (ApprovalMode.EVERYBODY, 5)
    assert rules.approval.hours == 24
    assert sorted(lost) == ["approval.hours", "spoiler"]


async def test_damaged_rules_let_no_request_pass_until_a_moderator_saves_what_is_shown(store: Store) -> None:
    for guild_id, damage in enumerate(([], "text", 7, {"people": 3})):
        await stored_rules(store, guild_id, damage)
        async with store.database.read() as connection:
            with pytest.raises(ValidationError):
                await read_rules(connection, guild_id)
        await RuleStore(store.database).change(guild_id, ADA, lambda old: old, NOW, "spoiler")
        async with store.database.read() as connection:
            assert await read_rules(connection, guild_id) == ServerRules()
        assert (await audit_log(store))[-1].details["unreadable"], damage
