"""Suggestions of presets from memory: fresh after one's own changes, soon after those of other processes."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.domain.requests import Holder, Preset
from bot.services.presets import LIFETIME, PresetCache
from tests.harness import Clock
from tests.unit.factories import made_preset


class Shelf:
    """Presets as a database would give them, and how often it was asked; `gate` holds the answer back."""

    def __init__(self) -> None:
        self.presets = [made_preset("noir")]
        self.asked: list[Any] = []
        self.gate: asyncio.Event | None = None

    async def visible(self, user_id: int, guild_id: int | None) -> list[Preset]:
        self.asked.append((user_id, guild_id))
        found = list(self.presets)
        if self.gate is not None:
            await self.gate.wait()
        return found


async def test_letters_typed_one_after_the_other_ask_once() -> None:
    shelf = Shelf()
    memory = PresetCache(shelf.visible, Clock())
    for _ in range(5):
        assert [found.name for found in await memory.visible(1, 7)] == ["noir"]
    assert shelf.asked == [(1, 7)]
    await memory.visible(2, 7)
    await memory.visible(1, None)
    assert shelf.asked == [(1, 7), (2, 7), (1, None)]


async def test_what_another_process_saved_shows_up_a_little_later() -> None:
    shelf, clock = Shelf(), Clock()
    memory = PresetCache(shelf.visible, clock)
    await memory.visible(1, 7)
    shelf.presets.append(made_preset("ink"))
    clock.now += LIFETIME
    assert len(await memory.visible(1, 7)) == 2


async def test_ones_own_change_is_seen_at_once_and_a_servers_by_all_there() -> None:
    shelf = Shelf()
    memory = PresetCache(shelf.visible, Clock())
    for place in ((1, 7), (2, 7), (1, 8)):
        await memory.visible(*place)
    memory.forget(Holder.PERSON, 1)
    await memory.visible(2, 7)
    assert len(shelf.asked) == 3
    await memory.visible(1, 8)
    assert len(shelf.asked) == 4
    memory.forget(Holder.SERVER, 7)
    await memory.visible(1, 8)
    await memory.visible(2, 7)
    assert shelf.asked[4:] == [(2, 7)]


async def test_an_answer_from_before_a_change_is_not_kept() -> None:
    shelf = Shelf()
    memory = PresetCache(shelf.visible, Clock())
    shelf.gate = asyncio.Event()
    asking = asyncio.create_task(memory.visible(1, 7))
    await asyncio.sleep(0)
    shelf.presets.append(made_preset("ink"))
    memory.forget(Holder.PERSON, 1)
    shelf.gate.set()
    assert len(await asking) == 1
    assert len(await memory.visible(1, 7)) == 2


async def test_it_stays_small() -> None:
    shelf = Shelf()
    memory = PresetCache(shelf.visible, Clock())
    for person in range(1500):
        await memory.visible(person, None)
    await memory.visible(0, None)
    await memory.visible(1499, None)
    assert len(shelf.asked) == 1501
