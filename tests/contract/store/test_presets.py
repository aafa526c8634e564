"""Presets by holder and name, and the defaults of persons and channels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.errors import RefusedError
from bot.domain.requests import ChannelDefault, Holder, Preset
from bot.store import Store
from bot.store.presets import MAX_PRESETS, Usable, read_usable
from tests.contract.store.rows import ALICE, BOB, GUILD
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


async def usable(store: Store, person: int, guild: int | None, *channels: int, name: str = "") -> Usable:
    return await store.database.read(read_usable, person, guild, channels, name=name)


async def test_a_preset_is_found_by_its_name_in_any_case_by_those_who_may_use_it(store: Store) -> None:
    for one in (preset("Noir"), servers(), preset(holder_id=BOB)):
        assert await store.presets.put(one, NOW) is None
    found = {
        who: (await usable(store, *who, name=" nOIR ")).named
        for who in ((ALICE, GUILD), (ALICE, None), (BOB, GUILD + 1), (7, None))
    }
    assert list(found.values()) == [
        [preset("Noir"), servers()],
        [preset("Noir")],
        [preset(holder_id=BOB)],
        [],
    ]


async def test_a_preset_replaces_only_the_one_that_its_holder_agreed_to(store: Store) -> None:
    for one in (preset(), servers(), preset(holder_id=BOB)):
        await store.presets.put(one, NOW)
    replacing = preset("NOIR", gpu=None)
    for agreed in (None, servers(), preset(gpu="T4")):
        assert await store.presets.put(replacing, NOW, replaces=agreed) == preset()
    for _ in range(2):  # a second press changes nothing
        assert await store.presets.put(replacing, NOW, replaces=preset()) is None
    assert await store.presets.visible(ALICE, GUILD) == [replacing, servers()]
    assert await store.presets.visible(BOB, None) == [preset(holder_id=BOB)]


async def own_defaults(store: Store, user_id: int = ALICE) -> list[str]:
    return [each.name for each in (await usable(store, user_id, None)).own]


async def test_a_person_has_one_default_of_their_own_for_each_deployment(store: Store) -> None:
    for one in (preset(), preset("day"), preset("song", deployment="song"), servers(), preset(holder_id=BOB)):
        await store.presets.put(one, NOW)
    assert not await store.presets.set_own_default(ALICE, "house")
    for name in ("NOIR", "song", "day"):
        assert await store.presets.set_own_default(ALICE, name)
    assert (await own_defaults(store), await own_defaults(store, BOB)) == (["day", "song"], [])
    agreed = replace(preset("day"), is_default=True)
    assert await store.presets.put(preset("Day", gpu="T4"), NOW, replaces=agreed) is None
    assert await own_defaults(store) == ["Day", "song"]
    await store.presets.put(preset("song"), NOW, replaces=preset("song", deployment="song", is_default=True))
    assert await own_defaults(store) == ["Day"]
    assert await store.presets.set_own_default(ALICE, None)
    assert not await store.presets.set_own_default(ALICE, None)


async def test_a_channel_has_one_default_preset_of_its_server(store: Store) -> None:
    for one in (servers(), servers("day"), preset("mine")):
        await store.presets.put(one, NOW)
    assert not await store.presets.set_default(GUILD, 5, "mine", by=ALICE, now=NOW)
    for seconds, by in ((0, ALICE), (1, BOB)):  # the second changes nothing
        assert await store.presets.set_default(GUILD, 5, "NOIR", by=by, now=at(seconds))
    known = ChannelDefault(channel_id=5, preset=servers(), set_at=NOW, set_by=ALICE)
    assert await store.presets.channel_defaults(GUILD) == [known]
    where = ((GUILD, 4, 5), (GUILD, 6), (GUILD + 1, 5), (None, 5))
    assert [(await usable(store, ALICE, *each)).channel for each in where] == [known, None, None, None]
    assert not await store.presets.set_default(GUILD + 1, 5, None, by=ALICE, now=NOW)
    # A default survives the replacement of its preset.
    other = servers("Noir", deployment="song")
    await store.presets.put(other, NOW, replaces=servers())
    assert await store.presets.channel_defaults(GUILD) == [replace(known, preset=other)]


async def test_a_person_has_a_limited_number_of_presets(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MAX_PRESETS, Holder.PERSON, 2)
    for name in ("one", "two"):
        await store.presets.put(preset(name), NOW)
    with pytest.raises(RefusedError, match="presets_full_own"):
        await store.presets.put(preset("three"), NOW)
    assert await store.presets.put(preset("One"), NOW, replaces=preset("one")) is None
