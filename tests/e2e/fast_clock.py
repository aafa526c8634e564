"""Clocks and an event loop with which the bot's time passes faster, or is ahead."""

from __future__ import annotations

import asyncio
import mmap
import selectors
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bot.database.engine
import bot.gateway.replies
import bot.words.cache


def quick_loop(speed: float) -> asyncio.AbstractEventLoop:
    """Return an event loop whose pauses and timeouts pass `speed` times as fast; sockets don't.

    The limits on waiting for the database, on checking a request before its answer is deferred, and on
    checking words keep their real length: a fraction of them is too short on a busy machine.
    """
    bot.database.engine.LOCK_SECONDS *= speed
    bot.gateway.replies.CHECK_SECONDS *= speed
    bot.words.cache.TIMEOUT_SECONDS *= speed
    return _QuickLoop(speed)


class _QuickSelector(selectors.DefaultSelector):
    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout / self._speed if timeout is not None and timeout > 0 else timeout)


class _QuickLoop(asyncio.SelectorEventLoop):
    def __init__(self, speed: float) -> None:
        super().__init__(_QuickSelector(speed))
        self._speed = speed

    def time(self) -> float:
        return time.monotonic() * self._speed


class Jumps:
    """The seconds by which a test moves a running process's clock forward, in a file that both map."""

    _SECONDS = struct.Struct("d")

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(self._SECONDS.pack(0.0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), self._SECONDS.size)

    def __call__(self) -> float:
        (seconds,) = self._SECONDS.unpack(self._map[:])
        return float(seconds)

    def jump(self, seconds: float) -> None:
        self._map[:] = self._SECONDS.pack(self() + seconds)


def quick_clock(
    epoch: float, speed: float, ahead: float = 0.0, jumps: Callable[[], float] = lambda: 0.0
) -> Callable[[], datetime]:
    """Return a clock that runs `speed` times as fast as real time from `epoch` on.

    Its time is later by `ahead` and by the total of `jumps`, both in seconds.
    """

    def now() -> datetime:
        seconds = epoch + (time.time() - epoch) * speed
        return datetime.fromtimestamp(seconds, UTC) + timedelta(seconds=ahead + jumps())

    return now
