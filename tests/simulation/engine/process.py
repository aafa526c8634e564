"""Start, stop and kill processes of the bot. No other module of this package imports the bot."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from datetime import datetime, timedelta
from pathlib import Path

from discord.webhook.async_ import AsyncWebhookAdapter, async_context

from bot.cli import main
from bot.effects import Effects
from tests.simulation.engine.boundaries import InlineExecutor, utc_now
from tests.simulation.engine.life import LIFE, Life
from tests.simulation.engine.loop import VirtualLoop
from tests.simulation.engine.patches import TIME

# The clone itself may be in a folder named `bot`, as in the README.
_CODE = tuple(f"{Path(__file__).parents[3] / package}/" for package in ("bot", "cogs"))


class Process:
    """A process of the bot. `ahead` is the error of its wall clock in seconds."""

    def __init__(self, name: str, loop: VirtualLoop, log: Callable[[str, str], None], seed: str) -> None:
        self.life = Life(name, log)
        self.ahead = 0.0
        self.code: int | None = None
        """The exit code: None while the process runs, -9 after a kill."""
        self.left: list[str] = []
        """The bot's own tasks that were still running when it ended by itself."""
        self._loop = loop
        self._seed = seed
        self._task: asyncio.Task[int] | None = None

    @property
    def running(self) -> bool:
        return self.code is None

    def start(self, environment: Mapping[str, str], arguments: Sequence[str] = ()) -> None:
        context = self._context = copy_context()
        context.run(LIFE.set, self.life)
        # This global of discord.py has locks, which a dead process may have held.
        context.run(async_context.set, AsyncWebhookAdapter())  # type: ignore[no-untyped-call]
        effects = Effects(
            now=self._now,
            monotonic=lambda: TIME.monotonic,
            random=random.Random(self._seed),
            executor=lambda name, _threads: InlineExecutor(self._loop, name),
        )
        work = main(arguments, environment, effects)
        self._task = context.run(asyncio.ensure_future, work)
        self._task.add_done_callback(self._ended, context=copy_context())

    def _now(self) -> datetime:
        return utc_now() + timedelta(seconds=self.ahead)

    def _ended(self, task: asyncio.Task[int]) -> None:
        if self.code is None:
            error = None if task.cancelled() else task.exception()
            self.code = 1 if task.cancelled() or error else task.result()
            if error is not None:
                self.life.write(f"the process ended with {error!r}\n")
            self._cancel_the_rest()

    def _cancel_the_rest(self) -> None:
        """Cancel all remaining tasks, as `asyncio.run` does, and note those of the bot's own code."""
        rest = self._loop.tasks_of(self.life)
        self.left = [repr(task) for task in rest if _is_of_the_bot(task) and not task.cancelling()]
        for task in rest:
            task.cancel()
        self._loop.call_later(0.1, self.life.kill)

    def kill(self) -> None:
        """End the process like SIGKILL."""
        if self.running:
            self.code = -signal.SIGKILL
            self.life.kill()

    def terminate(self) -> None:
        """Send SIGTERM. A process that hasn't installed its handler yet dies immediately."""
        self.signal(signal.SIGTERM)

    def signal(self, number: int) -> None:
        handler = self.life.signal_handlers.get(number)
        if handler is not None:
            self._loop.call_soon(handler, context=self._context.copy())
        elif number == signal.SIGTERM:
            self.code = -signal.SIGTERM
            self.life.kill()


def _is_of_the_bot(task: asyncio.Task[object]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and code.co_filename.startswith(_CODE)
