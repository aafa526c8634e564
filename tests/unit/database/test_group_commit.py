"""Batching concurrent callers into one transaction, of which each gets its own result."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bot.database.write_queue import GroupCommit
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


async def answers(gathering: GroupCommit[int, int], *items: int) -> list[int | BaseException]:
    return await asyncio.gather(*asking(gathering, *items), return_exceptions=True)


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


async def test_one_that_fails_alone_fails_alone() -> None:
    work = Transactions()
    work.open.set()
    results = await answers(GroupCommit(work.handle, timeout=60), 2, -2, 4)
    assert (results[0], type(results[1]), results[2]) == (4, ValueError, 8)
    assert work.seen == [[2, -2, 4]]


async def test_after_one_that_undid_the_transaction_each_is_tried_by_itself() -> None:
    work = Transactions()
    work.open.set()
    results = await answers(GroupCommit(work.handle, timeout=60), 2, 3, 4)
    assert (results[0], type(results[1]), results[2]) == (4, LookupError, 8)
    assert work.seen == [[2, 3, 4], [2], [3], [4]]


async def test_a_database_that_is_away_is_everybodys_answer_and_nothing_is_tried_again() -> None:
    work = Transactions()
    work.away = True
    work.open.set()
    gathering = GroupCommit(work.handle, timeout=60)
    results = await answers(gathering, 2, 4)
    assert [str(result) for result in results if isinstance(result, StoreUnavailable)] == ["away", "away"]
    assert work.seen == [[2, 4]]
    work.away = False
    assert await gathering.submit(6) == 12


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
