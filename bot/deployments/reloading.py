"""Reload the deployments from the file and from the backend, and have the commands follow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bot.deployments.catalogue import Catalogue
from bot.deployments.command_plan import CommandPlan
from bot.deployments.follow_ups.message_commands import MessageCommands
from bot.deployments.model import Deployment
from bot.deployments.schema import DeploymentConfig
from bot.domain.errors import DiscordAway, StartupError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """The names of the deployments that a reload added, changed or removed, and warnings for the operator.

    `synced` is False if Discord didn't answer, so that it still has the old commands.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    synced: bool = True

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class ReloadTask(StrEnum):
    """The worker's next task: read the file, or ask the backend."""

    READ = "read"
    POLL = "poll"


class Reloader:
    """Reloads deployments. `read` returns their configuration, and `notify` makes other processes read it,
    too. `loaded` is called after each reload or poll. `every` is the time between two polls of the backend.

    Reloads run one at a time, since each may sync the commands.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        read: Callable[[], Awaitable[Sequence[DeploymentConfig]]],
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
        async with self._lock:
            found = await self._load(await self._read())
        self._notify()
        return found

    async def claim(self) -> ReloadTask | None:
        """Claim the task that is due, or return None. A requested reload comes before a poll."""
        if self._requested:
            self._requested = False
            return ReloadTask.READ
        now = self._clock()
        # The wait is longer than the pause if the clock was set back.
        if timedelta() < self._next - now <= self._every:
            return None
        self._next = now + self._every
        return ReloadTask.POLL

    async def handle(self, task: ReloadTask) -> None:
        """Do the task and log its result."""
        if task is ReloadTask.READ:
            await self._read_file()
        else:
            await self._poll()

    async def _read_file(self) -> None:
        try:
            async with self._lock:
                found = await self._load(await self._read())
        except StartupError as error:
            for mistake in error.mistakes:
                # An expected error needs no traceback.
                log.error("kept the old deployments: %s", mistake)  # noqa: TRY400
            return
        log.info("reloaded the deployments: %s", _summary(found) if found else "nothing has changed")

    async def _poll(self) -> None:
        """Adopt changes in the backend's descriptions. This takes one call per deployment."""
        async with self._lock:
            try:
                found = await self._load(None)
            except StartupError as error:
                log.warning("can't adopt the deployments' changes at ComfyDeploy: %s", error)
                return
        if found:
            log.info("the deployments changed at ComfyDeploy: %s", _summary(found))
            # A process that knows less would refuse the requests that another accepts.
            self._notify()

    async def _load(self, configs: Sequence[DeploymentConfig] | None) -> ReloadResult:
        before, commands = self._by_name(), self._commands()
        await self._catalogue.load(configs)
        self._loaded()
        self._outdated |= self._commands() != commands
        if self._outdated:
            await self._show_commands()
        return replace(_compared(before, self._by_name()), synced=not self._outdated)

    async def _show_commands(self) -> None:
        try:
            if self._show is not None:
                await self._show()
            self._outdated = False
        except DiscordAway as error:
            log.warning("can't sync the changed commands yet: %s", error)

    def _commands(self) -> tuple[CommandPlan, MessageCommands]:
        return self._catalogue.plan, self._catalogue.message_commands

    def _by_name(self) -> dict[str, Deployment]:
        return {deployment.name: deployment for deployment in self._catalogue.all()}


def _compared(before: Mapping[str, Deployment], after: Mapping[str, Deployment]) -> ReloadResult:
    return ReloadResult(
        added=tuple(name for name in after if name not in before),
        changed=tuple(name for name in after if name in before and after[name] != before[name]),
        removed=tuple(name for name in before if name not in after),
        warnings=tuple(sentence for deployment in after.values() for sentence in deployment.warnings),
    )


def _summary(found: ReloadResult) -> str:
    parts = (("added", found.added), ("changed", found.changed), ("removed", found.removed))
    return "; ".join(f"{word} {', '.join(names)}" for word, names in parts if names)
