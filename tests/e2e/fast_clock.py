"""Speed up or advance the time in the bot's process. Production code has no hook for this."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import bot.database.engine
import bot.store.requests.accept
import bot.store.rules
from bot import app

_DATABASE_LIMIT = "LOCK_SECONDS"


def quicken(speed: float) -> None:
    """Let every pause and timeout of the event loop pass `speed` times as fast; sockets don't.

    The limit on waiting for the database keeps its real length: a fifth of it is too short on a busy machine.
    """
    for module in (bot.database.engine, bot.store.requests.accept, bot.store.rules):
        setattr(module, _DATABASE_LIMIT, getattr(module, _DATABASE_LIMIT) * speed)
    select = selectors.DefaultSelector.select

    def quicker(self: Any, timeout: float | None = None) -> Any:
        return select(self, timeout / speed if timeout is not None and timeout > 0 else timeout)

    selectors.DefaultSelector.select = quicker  # type: ignore[method-assign]
    asyncio.BaseEventLoop.time = lambda self: time.monotonic() * speed  # type: ignore[method-assign]


def set_clock(clock: Callable[[], datetime]) -> None:
    """Replace the default clock of `bot.app.build`."""
    app.build.__wrapped__.__defaults__ = (clock,)  # type: ignore[attr-defined]


def quick_clock(epoch: float, speed: float, ahead: float = 0.0) -> Callable[[], datetime]:
    """Return a clock that shows real time until `epoch`, then runs `speed` times as fast, `ahead` seconds
    ahead.
    """

    def now() -> datetime:
        seconds = epoch + (time.time() - epoch) * speed
        return datetime.fromtimestamp(seconds, UTC) + timedelta(seconds=ahead)

    return now
