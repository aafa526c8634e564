"""Reload the deployments from their file and from ComfyDeploy, and sync the commands made from them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.config.settings import configured
from bot.context import App
from bot.domain.errors import DiscordAway, StartupError

log = logging.getLogger(__name__)
Task = Literal["read", "poll"]  # read the file, or ask ComfyDeploy


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """The names of the deployments that a reload `added`, `changed` or `removed`, and warnings.

    `synced` is False if Discord didn't respond, so that it still has the old commands.
    """

    names: Mapping[str, Sequence[str]]
    warnings: Sequence[str]
    synced: bool


class Reloader:
    """Reloads the deployments, one load at a time, since each may sync the commands.

    `show` syncs the commands that Discord shows; with `resend` it also sends unchanged ones. If `requested`
    is set, the worker reads the file.
    """

    def __init__(self, app: App, show: Callable[..., Awaitable[None]] | None = None) -> None:
        self._app, self._show = app, show
        self._lock = asyncio.Lock()
        self._next = app.effects.monotonic() + app.settings.deployments_refresh_seconds
        self.requested = False

    async def reload(self) -> ReloadResult:
        """Reload the deployments from the file, here and in other processes, and send the commands again.

        Raises StartupError if they can't be loaded, in which case the old deployments remain.
        """
        found = await self._load("read", resend=True)
        self._app.wakeups.reload()
        return found

    async def claim(self, _room: int) -> Sequence[Task]:
        """Claim the task that is due, if any. A requested reload comes before a poll."""
        if self.requested:
            self.requested = False
            return ["read"]
        if (now := self._app.effects.monotonic()) < self._next:
            return []
        self._next = now + self._app.settings.deployments_refresh_seconds
        return ["poll"]

    async def handle(self, task: Task) -> None:
        """Do the task and log its result. A poll takes one call per deployment."""
        try:
            found = await self._load(task)
        except StartupError as error:
            level = logging.WARNING if task == "poll" else logging.ERROR
            for mistake in error.mistakes:
                log.log(level, "kept the old deployments: %s", mistake)
            return
        told = "; ".join(f"{word} {', '.join(names)}" for word, names in found.names.items())
        if task == "read":
            log.info("reloaded the deployments: %s", told or "nothing has changed")
        elif told:
            log.info("the deployments changed at ComfyDeploy: %s", told)
            # A process that knows less would refuse the requests that another accepts.
            self._app.wakeups.reload()

    async def _load(self, task: Task, *, resend: bool = False) -> ReloadResult:
        app, catalogue, synced = self._app, self._app.catalogue, True
        async with self._lock:
            wanted = None
            if task == "read":
                file = await asyncio.get_running_loop().run_in_executor(app.files, configured, app.settings)
                wanted = tuple(file.deployments.values())
            before = {each.name: each for each in catalogue.all()}
            await catalogue.load(wanted)
            app.wakeups.wake("submit")
            try:
                if self._show is not None:
                    await self._show(resend=resend)
            except DiscordAway as error:
                synced = False
                log.warning("can't sync the commands yet: %s", error)
        after = {each.name: each for each in catalogue.all()}
        names = {
            "added": [name for name in after if name not in before],
            "changed": [name for name in after if name in before and after[name] != before[name]],
            "removed": [name for name in before if name not in after],
        }
        told = {word: found for word, found in names.items() if found}
        return ReloadResult(told, [each for one in after.values() for each in one.warnings], synced)
