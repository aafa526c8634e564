"""Reload the deployments from the file and from the backend, and have the commands follow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bot.deployments.catalogue import Catalogue
from bot.deployments.schema import DeploymentSettings
from bot.domain.errors import DiscordAway, StartupError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """The names of the deployments that a reload `added`, `changed` or `removed`, and warnings.

    `synced` is False if Discord didn't answer, so that it still has the old commands.
    """

    names: Mapping[str, Sequence[str]]
    warnings: Sequence[str]
    synced: bool

    def __str__(self) -> str:
        return "; ".join(f"{word} {', '.join(names)}" for word, names in self.names.items())


ReloadTask = Literal["read", "poll"]  # read the file, or ask the backend


class Reloader:
    """Reloads deployments. `read` returns their settings, and `notify` makes other processes read them, too.
    `loaded` is called after each reload or poll.

    `every` is the time between two polls of the backend. Reloads run one at a time, since each may sync the
    commands.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        read: Callable[[], Awaitable[Sequence[DeploymentSettings]]],
        notify: Callable[[], None],
        loaded: Callable[[], None],
        every: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._read = read
        self._notify = notify
        self._loaded = loaded
        self._every = every
        self._clock = clock
        self._next = clock() + every
        self._requested = False
        self._lock = asyncio.Lock()
        self._outdated = False
        self._show: Callable[[], Awaitable[None]] | None = None

    def on_change(self, show: Callable[[], Awaitable[None]]) -> None:
        """Register `show`, which is called after a reload has changed the commands.

        If it raises an error, the next reload or poll calls it again.
        """
        self._show = show

    def mark_outdated(self) -> None:
        """Make the next reload or poll sync the commands even if nothing has changed."""
        self._outdated = True

    def request_reload(self) -> None:
        """Make the worker reread the file."""
        self._requested = True

    async def reload(self) -> ReloadResult:
        """Reload the deployments from the file, here and in other processes.

        Raises StartupError if they can't be loaded, in which case the old deployments remain.
        """
        found = await self._load("read")
        self._notify()
        return found

    async def claim(self, _room: int) -> Sequence[ReloadTask]:
        """Claim the task that is due, if any. A requested reload comes before a poll."""
        if self._requested:
            self._requested = False
            return ["read"]
        now = self._clock()
        # The wait is longer than the pause if the clock was set back.
        if timedelta() < self._next - now <= self._every:
            return []
        self._next = now + self._every
        return ["poll"]

    async def handle(self, task: ReloadTask) -> None:
        """Do the task and log its result. A poll takes one call per deployment."""
        try:
            found = await self._load(task)
        except StartupError as error:
            if task == "poll":
                log.warning("can't adopt the deployments' changes at ComfyDeploy: %s", error)
                return
            for mistake in error.mistakes:
                # An expected error needs no traceback.
                log.error("kept the old deployments: %s", mistake)  # noqa: TRY400
            return
        if task == "read":
            log.info("reloaded the deployments: %s", str(found) or "nothing has changed")
        elif found.names:
            log.info("the deployments changed at ComfyDeploy: %s", found)
            # A process that knows less would refuse the requests that another accepts.
            self._notify()

    async def _load(self, task: ReloadTask) -> ReloadResult:
        catalogue = self._catalogue
        async with self._lock:
            configured = await self._read() if task == "read" else None
            before = {each.name: each for each in catalogue.all()}
            commands = catalogue.plan, catalogue.message_commands
            await catalogue.load(configured)
            self._loaded()
            self._outdated |= (catalogue.plan, catalogue.message_commands) != commands
            if self._outdated:
                await self._show_commands()
        after = {each.name: each for each in catalogue.all()}
        names = {
            "added": [name for name in after if name not in before],
            "changed": [name for name in after if name in before and after[name] != before[name]],
            "removed": [name for name in before if name not in after],
        }
        return ReloadResult(
            {word: found for word, found in names.items() if found},
            [warning for each in after.values() for warning in each.warnings],
            synced=not self._outdated,
        )

    async def _show_commands(self) -> None:
        try:
            if self._show is not None:
                await self._show()
            self._outdated = False
        except DiscordAway as error:
            log.warning("can't sync the changed commands yet: %s", error)
