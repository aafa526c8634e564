"""Batching concurrent callers into one transaction, of which each gets its own result."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from bot.database.group_commit import GroupCommit
from bot.domain.errors import StoreUnavailable


class Transactions:
    """Doubles numbers. An odd one undoes its transaction, a negative one fails alone; `open` lets it end."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []
        self.open = asyncio.Event()
        self.away = False

    async def handle(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.seen.append(list(items))
        await self.open.wait()
        if self.away:
            raise StoreUnavailable("away")
        if any(item % 2 for item in items):
            raise LookupError(f"odd in {items}")
        return [item * 2 if item >= 0 else ValueError(str(item)) for item in items]


def asking(gathering: GroupCommit[int, int], *items: int) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(gathering.submit(item)) for item in items]


async def answers(work: Transactions, *items: int) -> list[int | type[BaseException]]:
    """Make concurrent calls, and return each one's answer or the type of its error."""
    work.open.set()
    tasks = asking(GroupCommit(work.handle, timeout=60), *items)
    found = await asyncio.gather(*tasks, return_exceptions=True)
    return [type(each) if isinstance(each, BaseException) else each for each in found]


async def steps() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_calls_during_a_transaction_share_the_next_in_order_of_arrival() -> None:
    work = Transactions()
    gathering = GroupCommit(work.handle, timeout=60, limit=3)
    first = asking(gathering, 0)
    await steps()
    others = asking(gathering, 2, 4, 6, 8)
    await steps()
    work.open.set()
    assert await asyncio.gather(*first, *others) == [0, 4, 8, 12, 16]
    assert work.seen == [[0], [2, 4, 6], [8]]


@pytest.mark.parametrize(
    ("items", "found", "transactions"),
    [
        ([2, -2, 4], [4, ValueError, 8], [[2, -2, 4]]),
        # After an item that undid the transaction, each is tried by itself.
        ([2, 3, 4], [4, LookupError, 8], [[2, 3, 4], [2], [3], [4]]),
    ],
)
async def test_one_that_fails_alone_fails_alone(
    items: list[int], found: list[Any], transactions: list[list[int]]
) -> None:
    work = Transactions()
    assert await answers(work, *items) == found
    assert work.seen == transactions


async def test_a_database_that_is_away_fails_every_call_and_nothing_is_tried_again() -> None:
    work = Transactions()
    work.away = True
    assert await answers(work, 2, 4) == [StoreUnavailable] * 2
    assert work.seen == [[2, 4]]
    work.away = False
    assert await answers(work, 6) == [12]


async def test_a_wait_for_the_next_transaction_is_limited() -> None:
    work = Transactions()
    gathering = GroupCommit(work.handle, timeout=0)
    first = asking(gathering, 2)
    await steps()
    with pytest.raises(StoreUnavailable):
        await gathering.submit(4)
    work.open.set()
    assert await asyncio.gather(*first) == [4]
    assert work.seen == [[2]]


async def test_the_item_of_a_cancelled_wait_is_left_out() -> None:
    work = Transactions()
    gathering = GroupCommit(work.handle, timeout=60)
    first = asking(gathering, 2)
    await steps()
    cancelled, kept = asking(gathering, 4, 6)
    await steps()
    cancelled.cancel()
    work.open.set()
    assert await asyncio.gather(*first, kept) == [4, 12]
    assert work.seen == [[2], [6]]


async def test_a_call_cancelled_during_the_transaction_holds_up_no_other() -> None:
    work = Transactions()
    gathering = GroupCommit(work.handle, timeout=60)
    cancelled, kept = asking(gathering, 2, 4)
    await steps()
    cancelled.cancel()
    await steps()
    work.open.set()
    assert await kept == 8
    assert cancelled.cancelled()
    assert work.seen == [[2, 4]]
