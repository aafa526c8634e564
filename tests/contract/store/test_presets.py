"""Presets by holder and name: limits, channel defaults, and the erasure of their author's data."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from bot.domain.errors import RefusedError
from bot.domain.moderation import AuditAction
from bot.domain.requests import ChannelDefault, Holder, Preset
from bot.store import Store
from bot.store.presets import MAX_PRESETS, read_usable
from tests.contract.store.rows import ALICE, BOB, GUILD, audit_log
from tests.contract.store.runs import NOW, at


def preset(name: str = "noir", holder_id: int = ALICE, **changes: Any) -> Preset:
    return Preset(
        **{
            "holder": Holder.PERSON,
            "holder_id": holder_id,
            "name": name,
            "deployment": "flux",
            "inputs": {"style": "ink", "steps": 20, "tiled": True, "cfg": 7.5},
            "gpu": "A10G",
            "created_at": NOW,
            "created_by": holder_id,
            **changes,
        }
    )


def servers(name: str = "noir", **changes: Any) -> Preset:
    return preset(name, GUILD, **{"holder": Holder.SERVER, "created_by": ALICE, **changes})


async def test_a_preset_is_found_by_its_name_in_any_case(store: Store) -> None:
    assert await store.presets.put(preset("Noir"), NOW) is None
    assert (await store.database.read(read_usable, ALICE, GUILD, name=" nOIR ")).named == [preset("Noir")]
    assert (await store.database.read(read_usable, BOB, GUILD, name="noir")).named == []


async def test_a_preset_replaces_only_the_one_that_its_holder_agreed_to(store: Store) -> None:
    for one in (preset(), servers(), preset(holder_id=BOB)):
        await store.presets.put(one, NOW)
    replacing = preset("NOIR", gpu=None)
    for agreed in (None, servers(), preset(gpu="T4")):
        assert await store.presets.put(replacing, NOW, replaces=agreed) == preset()
    assert (await store.database.read(read_usable, ALICE, None, name="noir")).named == [preset()]
    for _ in range(2):  # a second press changes nothing
        assert await store.presets.put(replacing, NOW, replaces=preset()) is None
    assert (await store.database.read(read_usable, ALICE, GUILD, name="noir")).named == [
        preset("NOIR", gpu=None),
        servers(),
    ]
    assert (await store.database.read(read_usable, ALICE, None, name="noir")).named == [
        preset("NOIR", gpu=None)
    ]
    assert (await store.database.read(read_usable, BOB, GUILD + 1, name="noir")).named == [
        preset(holder_id=BOB)
    ]


async def test_changes_of_a_servers_presets_are_audited(store: Store) -> None:
    await store.presets.put(preset(), NOW)
    await store.presets.put(servers(), NOW)
    await store.presets.put(servers("Noir", created_by=BOB), NOW, replaces=servers())
    assert await store.presets.remove(Holder.SERVER, GUILD, "NOIR", by=BOB, now=NOW)
    assert not await store.presets.remove(Holder.SERVER, GUILD, "noir", by=BOB, now=NOW)
    lines = await audit_log(store)
    assert [(line.action, line.actor_id, line.details["changes"]) for line in lines] == [
        (AuditAction.SETTINGS, ALICE, [["Preset noir", "none", "saved"]]),
        (AuditAction.SETTINGS, BOB, [["Preset Noir", "saved", "replaced"]]),
        (AuditAction.SETTINGS, BOB, [["Preset Noir", "saved", "deleted"]]),
    ]
    assert (await store.database.read(read_usable, ALICE, GUILD, name="noir")).named == [preset()]


async def test_erasure_forgets_who_set_a_channels_default(store: Store) -> None:
    await store.presets.put(servers(), NOW)
    await set_default(store, "noir")
    await set_default(store, "noir", 6)
    await set_default(store, "noir", 7, by=BOB)
    mine = [row for row in await store.privacy.rows_of(ALICE) if row["kind"] == "channel default"]
    assert [row["channel_id"] for row in mine] == [5, 6]
    assert mine[0] == {
        "kind": "channel default",
        "guild_id": GUILD,
        "channel_id": 5,
        "set_at": NOW,
        "name": "noir",
    }
    await store.privacy.erase(ALICE, NOW)
    assert not [row for row in await store.privacy.rows_of(ALICE) if row["kind"] == "channel default"]
    found = await store.presets.channel_defaults(GUILD)
    assert [(each.set_by, each.set_at) for each in found] == [(None, NOW), (None, NOW), (BOB, NOW)]


async def default(store: Store, *channel_ids: int, guild_id: int | None = GUILD) -> str | None:
    found = (await store.database.read(read_usable, ALICE, guild_id, channel_ids)).channel
    return found.preset.name if found is not None else None


async def set_default(
    store: Store, name: str, channel_id: int = 5, *, by: int = ALICE, now: datetime = NOW
) -> bool:
    return await store.presets.set_default(GUILD, channel_id, name, by=by, now=now)


async def own_defaults(store: Store, user_id: int = ALICE) -> list[str]:
    found = (await store.database.read(read_usable, user_id, None)).own
    return [each.name for each in found]


async def test_a_person_has_one_default_of_their_own_for_each_deployment(store: Store) -> None:
    for one in (preset(), preset("day"), preset("song", deployment="song"), servers(), preset(holder_id=BOB)):
        await store.presets.put(one, NOW)
    assert not await store.presets.set_own_default(ALICE, "house")
    for name in ("NOIR", "song", "day"):
        assert await store.presets.set_own_default(ALICE, name)
    assert await own_defaults(store) == ["day", "song"]
    assert await own_defaults(store, BOB) == []
    assert [one["is_default"] for one in await store.privacy.rows_of(ALICE) if one["name"] == "day"] == [True]
    agreed = replace(preset("day"), is_default=True)
    for _ in range(2):  # a second press changes nothing
        assert await store.presets.put(preset("Day", gpu="T4"), NOW, replaces=agreed) is None
    assert await own_defaults(store) == ["Day", "song"]
    await store.presets.put(preset("song"), NOW, replaces=preset("song", deployment="song", is_default=True))
    assert await own_defaults(store) == ["Day"]
    assert await store.presets.set_own_default(ALICE, None)
    assert not await store.presets.set_own_default(ALICE, None)
    assert await own_defaults(store) == []


async def test_a_channel_has_one_default_preset_of_its_server(store: Store) -> None:
    for one in (servers(), servers("day"), preset("mine")):
        await store.presets.put(one, NOW)
    assert not await set_default(store, "mine")
    assert await set_default(store, "NOIR")
    assert await set_default(store, "noir", by=BOB, now=at(1))
    (known,) = await store.presets.channel_defaults(GUILD)
    assert known == ChannelDefault(channel_id=5, preset=servers(), set_at=NOW, set_by=ALICE)
    assert (await default(store, 4, 5), await default(store, 6)) == ("noir", None)
    assert [await default(store, 5, guild_id=guild_id) for guild_id in (GUILD + 1, None)] == [None, None]
    assert await set_default(store, "day", by=BOB, now=at(2))
    (known,) = await store.presets.channel_defaults(GUILD)
    assert known == ChannelDefault(channel_id=5, preset=servers("day"), set_at=at(2), set_by=BOB)
    assert not await store.presets.set_default(GUILD + 1, 5, None, by=ALICE, now=NOW)
    assert await store.presets.set_default(GUILD, 5, None, by=ALICE, now=NOW)
    assert not await store.presets.set_default(GUILD, 5, None, by=ALICE, now=NOW)
    assert await default(store, 5) is None
    entries = [entry.details for entry in await audit_log(store) if "channel" in entry.details]
    assert entries == [
        {"channel": "<#5>", "changes": [["Default preset", before, after]]}
        for before, after in (("none", "noir"), ("noir", "day"), ("day", "none"))
    ]


async def test_a_default_survives_its_replacement_but_not_its_deletion(store: Store) -> None:
    await store.presets.put(servers(), NOW)
    await set_default(store, "noir")
    await set_default(store, "noir", 6)
    other = servers("Noir", deployment="song")
    await store.presets.put(other, NOW, replaces=servers())
    assert await default(store, 5) == "Noir"
    found = await store.presets.channel_defaults(GUILD)
    assert [(each.channel_id, each.preset) for each in found] == [(5, other), (6, other)]
    assert await store.presets.channel_defaults(GUILD + 1) == []
    await store.presets.remove(Holder.SERVER, GUILD, "noir", by=ALICE, now=NOW)
    await store.presets.put(servers(), NOW)
    assert (await default(store, 5), await default(store, 6)) == (None, None)


async def test_nothing_replaces_a_preset_that_is_gone(store: Store) -> None:
    await store.presets.put(preset(), NOW)
    await store.presets.remove(Holder.PERSON, ALICE, "noir", by=ALICE, now=NOW)
    with pytest.raises(RefusedError) as refused:
        await store.presets.put(preset(gpu="T4"), NOW, replaces=preset())
    assert refused.value.code == "preset_replaced_gone"
    assert await store.presets.visible(ALICE, None) == []


async def test_a_person_has_a_limited_number_of_presets(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MAX_PRESETS, Holder.PERSON, 2)
    for name in ("one", "two"):
        await store.presets.put(preset(name), NOW)
    with pytest.raises(RefusedError, match="presets_full_own"):
        await store.presets.put(preset("three"), NOW)
    assert await store.presets.put(preset("One"), NOW, replaces=preset("one")) is None
