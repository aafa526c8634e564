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


@pytest.mark.parametrize(
    ("lock", "names", "order"),
    [
        (WriteLock(), "abXcY", "XYabc"),
        # Others that have waited long have every second turn.
        (WriteLock(starvation_seconds=0), "abWXYZ", "WaXbYZ"),
    ],
)
async def test_the_urgent_go_first_and_all_others_in_order_of_arrival(
    lock: WriteLock, names: str, order: str
) -> None:
    seen = list[str]()
    async with lock.acquire(urgent=False, wait_seconds=60):
        tasks = await lined_up(lock, seen, *names)
    await asyncio.gather(*tasks)
    assert "".join(seen) == order


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


@pytest.mark.parametrize("in_time", [True, False])
async def test_a_cancelled_wait_holds_up_no_other(in_time: bool) -> None:
    turns, seen = WriteLock(), list[str]()
    async with turns.acquire(urgent=False, wait_seconds=60):
        tasks = await lined_up(turns, seen, "a", "b")
        if in_time:
            tasks[0].cancel()
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
