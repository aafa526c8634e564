"""Suggestions of presets from memory: fresh after one's own changes, soon after those of other processes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.domain.presets import Holder, Preset
from bot.services.presets.cache import LIFETIME, PresetCache
from tests.harness import Clock
from tests.unit.factories import made_preset


class Shelf:
    """Presets as a database would give them, and how often it was asked; `gate` holds the answer back."""

    def __init__(self) -> None:
        self.presets = [made_preset("noir")]
        self.asked: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.clock = Clock()
        self.cache = PresetCache(self.visible, self.clock)

    async def visible(self, user_id: int, guild_id: int | None) -> list[Preset]:
        self.asked.append((user_id, guild_id))
        found = list(self.presets)
        await self.gate.wait()
        return found


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


async def test_letters_typed_one_after_the_other_ask_once(shelf: Shelf) -> None:
    for _ in range(5):
        assert [found.name for found in await shelf.cache.visible(1, 7)] == ["noir"]
    assert shelf.asked == [(1, 7)]
    await shelf.cache.visible(2, 7)
    await shelf.cache.visible(1, None)
    assert shelf.asked == [(1, 7), (2, 7), (1, None)]


async def test_presets_that_another_process_saved_show_up_a_little_later(shelf: Shelf) -> None:
    await shelf.cache.visible(1, 7)
    shelf.presets.append(made_preset("ink"))
    shelf.clock.now += LIFETIME
    assert len(await shelf.cache.visible(1, 7)) == 2
    shelf.presets.clear()
    shelf.clock.move(days=-1)
    assert len(await shelf.cache.visible(1, 7)) == 0


async def test_a_change_is_seen_at_once_by_its_user_or_by_the_whole_server(shelf: Shelf) -> None:
    async def asks(*places: tuple[int, int]) -> list[Any]:
        """Return the places for which the database is asked."""
        shelf.asked.clear()
        for place in places:
            await shelf.cache.visible(*place)
        return shelf.asked

    await asks((1, 7), (2, 7), (1, 8))
    shelf.cache.forget(Holder.PERSON, 1)
    assert await asks((2, 7), (1, 8)) == [(1, 8)]
    shelf.cache.forget(Holder.SERVER, 7)
    assert await asks((1, 8), (2, 7)) == [(2, 7)]


async def test_an_answer_from_before_a_change_is_not_kept(shelf: Shelf) -> None:
    shelf.gate.clear()
    asking = asyncio.create_task(shelf.cache.visible(1, 7))
    await asyncio.sleep(0)
    shelf.presets.append(made_preset("ink"))
    shelf.cache.forget(Holder.PERSON, 1)
    shelf.gate.set()
    assert len(await asking) == 1
    assert len(await shelf.cache.visible(1, 7)) == 2


async def test_it_stays_small(shelf: Shelf) -> None:
    for person in (*range(1500), 0, 1499):
        await shelf.cache.visible(person, None)
    assert len(shelf.asked) == 1501
