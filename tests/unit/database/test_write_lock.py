"""The order of writers: urgent ones first, without starving the others."""

from __future__ import annotations

import asyncio

import pytest

from bot.database.write_queue import WriteLock


async def in_turn(turns: WriteLock, name: str, seen: list[str], *, urgent: bool = False) -> None:
    async with turns.acquire(urgent=urgent, wait_seconds=60):
        seen.append(name)


async def lined_up(turns: WriteLock, seen: list[str], *names: str) -> list[asyncio.Task[None]]:
    """Tasks that wait for their turn, in this order; a name in capitals is urgent."""
    tasks = [asyncio.create_task(in_turn(turns, name, seen, urgent=name.isupper())) for name in names]
    await asyncio.sleep(0)
    return tasks


async def test_the_urgent_go_first_and_everybody_else_in_order_of_arrival() -> None:
    turns, seen = WriteLock(), list[str]()
    async with turns.acquire(urgent=False, wait_seconds=60):
        tasks = await lined_up(turns, seen, "a", "b", "X", "c", "Y")
    await asyncio.gather(*tasks)
    assert seen == ["X", "Y", "a", "b", "c"]


async def test_others_who_have_waited_long_have_every_second_turn() -> None:
    turns, seen = WriteLock(starvation_seconds=0), list[str]()
    async with turns.acquire(urgent=False, wait_seconds=60):
        tasks = await lined_up(turns, seen, "a", "b", "W", "X", "Y", "Z")
    await asyncio.gather(*tasks)
    assert seen == ["W", "a", "X", "b", "Y", "Z"]


async def test_one_who_never_stops_being_urgent_starves_nobody() -> None:
    turns, seen = WriteLock(starvation_seconds=0), list[str]()
    waiting: list[asyncio.Task[None]] = []

    async def urgent_again() -> None:
        async with turns.acquire(urgent=True, wait_seconds=60):
            seen.append("X")
            if "a" not in seen and len(seen) < 100:
                waiting.append(asyncio.create_task(urgent_again()))
                await asyncio.sleep(0)

    async with turns.acquire(urgent=False, wait_seconds=60):
        waiting += [asyncio.create_task(urgent_again()), *await lined_up(turns, seen, "a")]
    await waiting[1]
    assert seen.count("X") <= 2
    await asyncio.gather(*waiting)


async def test_a_cancelled_wait_holds_up_no_other() -> None:
    turns, seen = WriteLock(), list[str]()
    async with turns.acquire(urgent=False, wait_seconds=60):
        tasks = await lined_up(turns, seen, "a", "b")
        tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert seen == ["b"]


async def test_a_turn_that_comes_to_somebody_just_cancelled_goes_on() -> None:
    turns, seen = WriteLock(), list[str]()
    async with turns.acquire(urgent=False, wait_seconds=60):
        tasks = await lined_up(turns, seen, "a", "b")
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert seen == ["b"]
    await in_turn(turns, "c", seen)
    assert seen == ["b", "c"]


async def test_waiting_ends_when_its_time_is_up() -> None:
    turns = WriteLock()
    async with turns.acquire(urgent=False, wait_seconds=60):
        with pytest.raises(TimeoutError):
            async with turns.acquire(urgent=True, wait_seconds=0):
                pass
    async with turns.acquire(urgent=False, wait_seconds=60):
        pass
