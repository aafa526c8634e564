"""Deployments while the bot runs: the file read again on demand, ComfyDeploy asked now and then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.deployments.catalogue import Catalogue
from bot.deployments.model import Deployment
from bot.deployments.schema import DeploymentConfig
from bot.domain.errors import StartupError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Names of deployments. `warnings` are sentences about what is offered differently than one may think."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class Step(StrEnum):
    """What a worker does next."""

    READ = "read"
    LOOK = "look"


class Reloader:
    """`read` gives what the settings and the file say now; `announce` has other processes read it as well.

    A step at a time: two that ask at once would each sync the commands.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        read: Callable[[], Sequence[DeploymentConfig]],
        announce: Callable[[], None],
        every: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._read = read
        self._announce = announce
        self._every = every
        self._clock = clock
        self._next = clock() + every
        self._asked = False
        self._turn = asyncio.Lock()
        self._behind = False
        self._show: list[Callable[[], Awaitable[None]]] = []

    def on_change(self, show: Callable[[], Awaitable[None]]) -> None:
        """`show` brings up to date what people see of the deployments; one that fails is called again."""
        self._show.append(show)

    def ask(self) -> None:
        """The file is to be read again, by the worker."""
        self._asked = True

    async def reload(self) -> Reloaded:
        """Reads the file again, here and in other processes.

        Raises StartupError with the file's mistakes: nothing has changed then.
        """
        async with self._turn:
            found = await self._load(await asyncio.to_thread(self._read))
        self._announce()
        return found

    async def claim(self) -> Step | None:
        if self._asked:
            self._asked = False
            return Step.READ
        now = self._clock()
        if now < self._next:
            return None
        self._next = now + self._every
        return Step.LOOK

    async def handle(self, step: Step) -> None:
        """What came of it is told to the log."""
        if step is Step.READ:
            await self._read_again()
        else:
            await self._look()

    async def _read_again(self) -> None:
        try:
            async with self._turn:
                found = await self._load(await asyncio.to_thread(self._read))
        except StartupError as error:
            for mistake in error.mistakes:
                log.error("the deployments stay as they were: %s", mistake)  # noqa: TRY400
            return
        log.info("the deployments were read again: %s", _told(found) if found else "nothing has changed")

    async def _look(self) -> None:
        """Whether ComfyDeploy describes a deployment otherwise than before: one call for each."""
        async with self._turn:
            try:
                found = await self._load(None)
            except StartupError as error:
                log.warning("a deployment changed at ComfyDeploy, and can't be offered so: %s", error)
                return
        if found:
            log.info("the deployments changed at ComfyDeploy: %s", _told(found))

    async def _load(self, configs: Sequence[DeploymentConfig] | None) -> Reloaded:
        before, plan = self._by_name(), self._catalogue.plan
        await self._catalogue.load(configs)
        self._behind |= self._catalogue.plan != plan
        if self._behind:
            for show in self._show:
                await show()
            self._behind = False
        return _compared(before, self._by_name())

    def _by_name(self) -> dict[str, Deployment]:
        return {deployment.name: deployment for deployment in self._catalogue.all()}


def _compared(before: Mapping[str, Deployment], after: Mapping[str, Deployment]) -> Reloaded:
    return Reloaded(
        added=tuple(name for name in after if name not in before),
        changed=tuple(name for name in after if name in before and after[name] != before[name]),
        removed=tuple(name for name in before if name not in after),
        warnings=tuple(sentence for deployment in after.values() for sentence in deployment.warnings),
    )


def _told(found: Reloaded) -> str:
    parts = (("added", found.added), ("changed", found.changed), ("removed", found.removed))
    return "; ".join(f"{word} {', '.join(names)}" for word, names in parts if names)
