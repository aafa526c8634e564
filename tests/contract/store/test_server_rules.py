"""A server's rules: changes are audited, and concurrent ones are all kept."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from bot.domain.errors import InputError, RefusedForNow
from bot.domain.settings.rules_and_defaults import ApprovalMode, ServerRules, with_values
from bot.store import Store
from bot.store.rules import read_rules
from tests.contract.store.rows import audit_log, stored_rules
from tests.contract.store.runs import NOW

ADA, BEN = 7, 8
# Not the server to which the fixture `store` gives rules.
GUILD = 9


def longer(rules: ServerRules) -> ServerRules:
    return with_values(rules, {"approval.hours": rules.approval.hours + 1})


def hours(before: ServerRules, after: ServerRules) -> list[tuple[str, str, str]]:
    return [("Hours", str(before.approval.hours), str(after.approval.hours))]


async def test_another_process_reads_the_change_of_this_server_only(store: Store, other: Store) -> None:
    await store.rules.change(GUILD, ADA, longer, NOW)
    assert (await other.rules.get(GUILD)).approval.hours == 25
    assert await other.rules.get(GUILD + 1) == ServerRules()
    assert (await other.database.read(read_rules, GUILD)).approval.hours == 25
    assert await other.database.read(read_rules, None) == ServerRules()


async def test_a_change_is_audited_with_its_author_time_and_values(store: Store) -> None:
    await store.rules.change(GUILD, ADA, longer, NOW, hours)
    await store.rules.change(GUILD, BEN, longer, NOW, hours)
    first, last = await audit_log(store)
    assert (first.guild_id, first.actor_id, first.at, first.action) == (GUILD, ADA, NOW, "settings")
    assert first.details == {"changes": [["Hours", "24", "25"]]}
    assert (last.actor_id, last.details) == (BEN, {"changes": [["Hours", "25", "26"]]})


@pytest.mark.sqlite_only
async def test_neither_an_empty_nor_a_refused_change_is_stored(store: Store) -> None:
    assert await store.rules.change(GUILD, ADA, lambda old: old, NOW) == ServerRules()
    refused = partial(with_values, values={"approval.hours": 0})
    with pytest.raises(InputError):
        await store.rules.change(GUILD, ADA, refused, NOW)
    assert await store.rules.get(GUILD) == ServerRules()
    assert await audit_log(store) == []


async def test_concurrent_changes_are_all_kept(store: Store, other: Store) -> None:
    rules = [store.rules, other.rules] * 6
    await asyncio.gather(*(each.change(GUILD, ADA, longer, NOW, hours) for each in rules))
    assert (await store.rules.get(GUILD)).approval.hours == 24 + 12
    told = [entry.details["changes"][0][2] for entry in await audit_log(store)]
    assert sorted(map(int, told)) == list(range(25, 37))


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
    await store.rules.change(GUILD, ADA, lambda _: wanted, NOW)
    assert await store.rules.get(GUILD) == wanted


async def test_damaged_rules_are_shown_without_the_unreadable_settings(store: Store) -> None:
    approval = {"mode": "everybody", "review_channel_id": 5, "hours": 100_000}
    damaged = {"approval": approval, "spoiler": "sometimes", "from_a_newer_version": 1}
    await stored_rules(store, GUILD, damaged)
    rules, lost = await store.rules.read(GUILD)
    assert (rules.approval.mode, rules.approval.review_channel_id) == (ApprovalMode.EVERYBODY, 5)
    assert rules.approval.hours == 24
    assert sorted(lost) == ["approval.hours", "spoiler"]


async def test_damaged_rules_accept_no_request_until_a_moderator_saves_them(store: Store) -> None:
    for guild_id, damage in enumerate(([], "text", 7, {"people": 3})):
        await stored_rules(store, guild_id, damage)
        with pytest.raises(RefusedForNow, match="rules_unreadable"):
            await store.database.read(read_rules, guild_id)
        await store.rules.change(guild_id, ADA, lambda old: old, NOW)
        assert await store.database.read(read_rules, guild_id) == ServerRules()
        assert (await audit_log(store))[-1].details["unreadable"], damage


async def test_concurrent_reads_return_each_servers_current_rules(store: Store) -> None:
    await stored_rules(store, GUILD, {"reviewer_role_id": 1})
    await stored_rules(store, 5, {"budgets": "not budgets"})
    first = asyncio.create_task(store.rules.current(GUILD))
    await asyncio.sleep(0)
    asked = [store.rules.current(guild_id) for guild_id in (GUILD, 5, None, GUILD, 6)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    seen = [one.reviewer_role_id if isinstance(one, ServerRules) else type(one) for one in found]
    assert seen == [1, RefusedForNow, None, 1, None]
    change = partial(with_values, values={"reviewer_role_id": 2})
    await store.rules.change(GUILD, ADA, change, NOW)
    assert (await store.rules.current(GUILD)).reviewer_role_id == 2
    assert (await first).reviewer_role_id == 1
