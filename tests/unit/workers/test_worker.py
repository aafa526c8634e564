"""Test in virtual time when a worker claims and handles items, and that a fault loses none."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from bot.domain.errors import StoreUnavailable
from bot.worker import Later, Worker

AWAY, BUG = StoreUnavailable("away"), RuntimeError("a bug")


class Instant(selectors.DefaultSelector):
    """A selector that doesn't wait: time jumps to the next timer."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "the worker would sleep for ever"
        self.now += max(timeout, 0)
        return super().select(0)


class Item(NamedTuple):
    due: float = 0
    takes: float = 0
    fault: Exception | None = None


class Played(NamedTuple):
    """The seconds at which a worker claimed, and at which items were begun and done."""

    claims: list[float]
    begun: list[float]
    done: list[float]
    closed: list[float]


def play(
    *items: Item,
    announced: bool = True,
    claim_takes: float = 0,
    claim_fault: Exception | None = None,
    wakes: Sequence[float] = (),
    stops: float = 40,
    patience: float = 10,
    **schedule: Any,
) -> Played:
    """Run a worker, and stop it. With `announced`, a claim returns when the next item is due."""
    played, waiting, faults = Played([], [], [], []), list(items), [claim_fault] if claim_fault else []
    selector = Instant()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]

    def note(times: list[float]) -> None:
        times.append(round(selector.now, 3))

    async def claim(room: int) -> Sequence[Item] | Later | None:
        note(played.claims)
        found = [item for item in waiting if item.due <= selector.now][:room]
        for item in found:
            waiting.remove(item)
        await asyncio.sleep(claim_takes)
        if faults:
            raise faults.pop()
        return found or (Later(waiting[0].due - selector.now) if waiting and announced else None)

    async def handle(item: Item) -> None:
        note(played.begun)
        await asyncio.sleep(item.takes)
        if item.fault:
            raise item.fault
        note(played.done)

    async def close() -> None:
        note(played.closed)

    async def live() -> None:
        worker = Worker("worker", claim, handle, close=close, **{"longest": 30, **schedule})
        running = asyncio.create_task(worker.run())
        for at in wakes:
            loop.call_at(at, worker.wake)
        await asyncio.sleep(stops)
        await worker.stop(patience)
        assert running.done()

    loop.run_until_complete(live())
    loop.close()
    return played


@pytest.mark.parametrize(
    ("items", "more", "claims", "begun"),
    [
        # It claims until nothing is left, and sleeps until an item is due, at most as long as it may.
        ([Item(), Item()], {}, [0, 0, 0, 30], [0, 0]),
        ([Item(7), Item(39)], {}, [0, 7, 7, 37, 39, 39], [7, 39]),
        ([Item(7)], {"announced": False}, [0, 30, 30], [30]),
        # A wake-up ends the sleep, is not lost during a claim, and waits for the end of the rest, which
        # is three times as long as a claim.
        ([Item(7)], {"announced": False, "wakes": [7]}, [0, 7, 7, 37], [7]),
        ([Item(1)], {"announced": False, "wakes": [1], "claim_takes": 2}, [0, 8, 16], [10]),
        ([Item(3)], {"announced": False, "wakes": [3], "rest": 10}, [0, 10, 20], [10]),
        # No more items are handled at once than its width allows.
        ([Item(takes=1)] * 5, {"width": 3}, [0, 1, 1, 31], [0, 0, 0, 1, 1]),
        # With `claims_again`, the end of an item may let others be claimed.
        ([Item(takes=5), Item(5)], {"width": 2, "announced": False}, [0, 0, 30, 30], [0, 30]),
        (
            [Item(takes=5), Item(5)],
            {"width": 2, "announced": False, "claims_again": True},
            [0, 0, 5, 5, 5, 35],
            [0, 5],
        ),
        # After a fault, it pauses before the next claim, and an item keeps its place for as long.
        *(([Item(2)], {"claim_fault": fault}, [0, 2, 2, 32], [2]) for fault in (AWAY, BUG)),
        *(([Item(fault=fault), Item()], {}, [0, 2, 2, 32], [0, 2]) for fault in (AWAY, BUG)),
    ],
)
def test_when_items_are_claimed(
    items: list[Item], more: dict[str, Any], claims: list[float], begun: list[float]
) -> None:
    played = play(*items, **more)
    assert (played.claims, played.begun) == (claims, begun)
    assert len(played.done) == sum(item.fault is None for item in items)


@pytest.mark.parametrize(
    ("more", "done", "closed"),
    [
        # What is under way when it stops is waited for, also a claim; nothing else is begun.
        ({}, [5], [5]),
        ({"claim_takes": 4, "patience": 20}, [9], [9]),
        # An item that doesn't end in time is cancelled.
        ({"patience": 2}, [], [4]),
        # A failed item's pause ends with the stop.
        ({"fault": BUG, "takes": 0, "fault_pause": 90}, [], [2]),
    ],
)
def test_when_it_is_closed(more: dict[str, Any], done: list[float], closed: list[float]) -> None:
    item = Item(takes=more.pop("takes", 5), fault=more.pop("fault", None))
    played = play(item, Item(), stops=2, **more)
    assert (played.done, played.closed) == (done, closed)
