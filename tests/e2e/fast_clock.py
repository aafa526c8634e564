"""Run the bot with a clock that is faster since a time: `python -m tests.e2e.fast_clock SPEED TIME`."""

from __future__ import annotations

import asyncio
import os
import selectors
import sys
import time
from datetime import UTC, datetime
from typing import Any

import bot.database.engine
import bot.gateway.replies
import bot.word_filter.cache
from bot import cli
from bot.effects import Effects


class _QuickSelector(selectors.DefaultSelector):
    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout / self._speed if timeout is not None and timeout > 0 else timeout)


class _QuickLoop(asyncio.SelectorEventLoop):
    """An event loop whose pauses and timeouts pass `speed` times as fast; sockets don't."""

    def __init__(self, speed: float) -> None:
        super().__init__(_QuickSelector(speed))
        self._speed = speed

    def time(self) -> float:
        return time.monotonic() * self._speed


def main() -> int:
    speed, epoch = map(float, sys.argv[1:])

    def now() -> datetime:
        return datetime.fromtimestamp(epoch + (time.time() - epoch) * speed, UTC)

    # The limits on waiting for the database, on checking a request before its answer is deferred, and on
    # checking words keep their real length: a fraction of them is too short on a busy machine.
    bot.database.engine.LOCK_SECONDS *= speed
    bot.gateway.replies.CHECK_SECONDS *= speed
    bot.word_filter.cache.TIMEOUT_SECONDS *= speed
    effects = Effects(now=now, monotonic=lambda: time.monotonic() * speed)
    with asyncio.Runner(loop_factory=lambda: _QuickLoop(speed)) as runner:
        return runner.run(cli.main([], os.environ, effects))


if __name__ == "__main__":
    sys.exit(main())
