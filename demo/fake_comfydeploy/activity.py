"""Count the active tasks of the fake ComfyDeploy, and let tests wait until it is idle."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any


class Gate:
    """A barrier. A task that waits at the gate doesn't count as active until the gate opens."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self._waiting_in: Activity | None = None

    @property
    def is_waited_for(self) -> bool:
        return self._waiting_in is not None

    async def wait(self, activity: Activity) -> None:
        if self._opened.is_set():
            return
        self._waiting_in = activity
        activity.change(-1)
        try:
            await self._opened.wait()
        finally:
            self._resume()

    def open(self) -> None:
        self._opened.set()
        self._resume()

    def _resume(self) -> None:
        activity, self._waiting_in = self._waiting_in, None
        if activity is not None:
            activity.change(+1)


class Activity:
    """Counts the active background tasks. A task inside `paused()` doesn't count as active."""

    def __init__(self) -> None:
        self._active = 0
        self._silent = asyncio.Event()
        self._silent.set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def active(self) -> int:
        return self._active

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        self.change(+1)
        task.add_done_callback(self._ended)
        return task

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the block as active, although it isn't a background task."""
        self.change(+1)
        try:
            yield
        finally:
            self.change(-1)

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.change(-1)
        try:
            yield
        finally:
            self.change(+1)

    async def idle(self) -> None:
        await self._silent.wait()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.change(-1)
        if not task.cancelled() and (error := task.exception()):
            # A bug in the fake ComfyDeploy must not look like a lost webhook.
            task.get_loop().call_exception_handler(
                {"message": "a task of the fake ComfyDeploy failed", "exception": error}
            )

    def change(self, by: int) -> None:
        self._active += by
        if self._active:
            self._silent.clear()
        else:
            self._silent.set()
