"""Other processes on the same database, forked from one that has already imported the store."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from typing import TypeVar

T = TypeVar("T")
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload([__name__, "bot.store", "asyncpg"])


async def in_processes(count: int, function: Callable[..., T], *arguments: object) -> list[T]:
    """Call the function in so many processes at the same moment and return their results."""
    with ProcessPoolExecutor(count, FORKED, _meet, (FORKED.Barrier(count),)) as pool:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(pool, function, *arguments) for _ in range(count)))


def _meet(all_ready: Barrier) -> None:
    all_ready.wait(60)
