"""What the system tells a running bot: stop (SIGTERM, Ctrl+C), or read the deployments again (SIGHUP)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Signals:
    """Heard from the first moment of a start, which may wait long for others.

    Until `up`, a stop cancels the task that made this and `broke_off` says so; afterwards it sets `stop`, and
    the task ends in order.
    A hang-up during the start is kept: whether the file was read before it or after can't be told.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.broke_off = False
        self._starting = asyncio.current_task()
        self._read_again: Callable[[], None] | None = None
        self._hung_up = False
        handlers = {"SIGTERM": self._stop, "SIGINT": self._stop, "SIGHUP": self._hang_up}
        for name, handler in handlers.items():
            try:
                asyncio.get_running_loop().add_signal_handler(getattr(signal, name), handler)
            except (AttributeError, NotImplementedError):  # Windows: KeyboardInterrupt ends the loop instead
                break

    @asynccontextmanager
    async def up(self, read_again: Callable[[], None]) -> AsyncIterator[None]:
        """The start is over. `read_again` is called for each hang-up inside the block."""
        self._starting = None
        self._read_again = read_again
        if self._hung_up:
            read_again()
        try:
            yield
        finally:
            self._read_again = None

    def _stop(self) -> None:
        self.stop.set()
        # Once: what the start had opened is being closed then.
        starting, self._starting = self._starting, None
        if starting is not None:
            self.broke_off = True
            starting.cancel()

    def _hang_up(self) -> None:
        self._hung_up = True
        if self._read_again is not None:
            self._read_again()
