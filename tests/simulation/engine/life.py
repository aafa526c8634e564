"""The life of a simulated process, which ends with everything that the process holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Protocol


class Resource(Protocol):
    """A socket or connection that the operating system closes when a process dies."""

    def die(self) -> None: ...


class Life:
    """A simulated process. Once it is dead, its code has no effect outside, even in `finally` blocks."""

    def __init__(self, name: str, log: Callable[[str, str], None]) -> None:
        self.name = name
        self.dead = False
        self.resources: dict[Resource, None] = {}
        self.left_open: list[Resource] = []
        """Resources that were open when the process ended."""
        self.signal_handlers: dict[int, Callable[[], None]] = {}
        self._log = log

    def __repr__(self) -> str:
        return f"<{self.name}{' dead' if self.dead else ''}>"

    def write(self, text: str) -> None:
        """Append to the process's standard error."""
        if not self.dead:
            self._log(self.name, text)

    def kill(self) -> None:
        """End the process like SIGKILL.

        The event loop drops its callbacks from now on. Its sockets, database connections and locks are
        released in the loop's next iteration, because its code may be using one at this moment.
        """
        if not self.dead:
            self.dead = True
            asyncio.get_running_loop().call_soon(self._release, context=OUTSIDE)

    def _release(self) -> None:
        resources, self.resources = list(self.resources), {}
        self.left_open = resources
        for resource in resources:
            resource.die()


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


def current_life() -> Life | None:
    """Return the process whose code is running, or None for code outside the bot."""
    return LIFE.get()


def _outside() -> Context:
    context = Context()
    context.run(LIFE.set, None)
    return context


OUTSIDE = _outside()
"""The context of code outside the bot."""
