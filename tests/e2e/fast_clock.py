"""Speed up or advance the time in the bot's process. Production code has no hook for this."""

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
from bot import app
from bot.services.words.filter import AutomodCache, WordChecks


def quicken(speed: float) -> None:
    """Let every pause and timeout of the event loop pass `speed` times as fast; sockets don't.

    The limits on waiting for the database and on checking words keep their real length: a fraction of them is
    too short on a busy machine.
    """
    bot.database.engine.LOCK_SECONDS *= speed
    cache, checks = AutomodCache.__init__.__kwdefaults__, WordChecks.__init__.__kwdefaults__
    if cache is None or checks is None:
        raise TypeError("the timeouts have no defaults any more")
    cache["timeout"] *= speed
    checks |= {"slow": checks["slow"] * speed, "clock": lambda: time.monotonic() * speed}
    select = selectors.DefaultSelector.select

    def quicker(self: Any, timeout: float | None = None) -> Any:
        return select(self, timeout / speed if timeout is not None and timeout > 0 else timeout)

    selectors.DefaultSelector.select = quicker  # type: ignore[method-assign]
    asyncio.BaseEventLoop.time = lambda self: time.monotonic() * speed  # type: ignore[method-assign]


def set_clock(clock: Callable[[], datetime]) -> None:
    """Replace the default clock of `bot.app.build`."""
    app.build.__wrapped__.__defaults__ = (clock,)  # type: ignore[attr-defined]


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
