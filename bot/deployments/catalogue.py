"""The deployments on offer: asked of ComfyDeploy, remembered in the store, completed by the file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from pydantic import ValidationError

from bot.comfydeploy.deployments import DeploymentInfo
from bot.deployments.command_plan import CommandPlan, plan_commands
from bot.deployments.compile import compile_deployment, describes_itself
from bot.deployments.model import Deployment
from bot.deployments.options import OptionSpec
from bot.deployments.schema import DeploymentConfig
from bot.domain.errors import ComfyError, StartLater, StartupError, StoreUnavailable

log = logging.getLogger(__name__)
_NONE = "No deployment can be offered. ComfyDeploy described none of them, which the lines above explain"
_WITHOUT = "To start without it, describe a deployment in full in deployments.toml."


class DescribesDeployments(Protocol):
    """The ComfyDeploy client's part that is used here."""

    async def deployment(self, deployment_id: str) -> DeploymentInfo:
        """GET /deployment/{id}; raises ComfyError."""


class DeploymentCache(Protocol):
    """The store's part that is used here; both raise StoreUnavailable."""

    async def get_deployment(self, deployment_id: str) -> str | None:
        """The JSON that was put last."""

    async def put_deployment(self, deployment_id: str, description: str) -> None:
        """Keeps the JSON."""


class Catalogue:
    """Holds the current deployments and the command made of them; reads never wait.

    ComfyDeploy is asked for `parallel` deployments at once. `extra` are the bot's own further options.
    """

    def __init__(
        self,
        configs: Sequence[DeploymentConfig],
        comfy: DescribesDeployments,
        cache: DeploymentCache,
        *,
        extra: Sequence[OptionSpec] = (),
        parallel: int = 4,
    ) -> None:
        self._configs = tuple(configs)
        self._comfy = comfy
        self._cache = cache
        self._extra = tuple(extra)
        self._parallel = parallel
        self._deployments: dict[str, Deployment] = {}
        self._plan: CommandPlan | None = None
        self._reload = asyncio.Lock()
        self._told: dict[str, str] = {}
        self._kept: dict[str, str] = {}
        self._faults: dict[str, ComfyError] = {}

    @property
    def plan(self) -> CommandPlan:
        """The command as last loaded. StartupError before the first `load`."""
        if self._plan is None:
            raise StartupError("the deployments have not been loaded")
        return self._plan

    def get(self, name: str) -> Deployment | None:
        """By its name, which is what the store keeps; None when it is no longer on offer."""
        return self._deployments.get(name)

    def all(self) -> tuple[Deployment, ...]:
        """In the file's order."""
        return tuple(self._deployments.values())

    def title(self, name: str) -> str:
        """How a deployment is called in messages, also one that is gone."""
        found = self.get(name)
        return found.title if found is not None else name

    async def load(self, configs: Sequence[DeploymentConfig] | None = None) -> None:
        """Asks anew and replaces everything at once; on StartupError the old state stays.

        `configs` take the place of the earlier ones.
        """
        async with self._reload:
            wanted = self._configs if configs is None else tuple(configs)
            gate = asyncio.Semaphore(self._parallel)
            found = await asyncio.gather(*(self._compiled(config, gate) for config in wanted))
            deployments = {item.name: item for item in found if item is not None}
            if not deployments:
                raise self._nothing(wanted)
            plan = plan_commands(tuple(deployments.values()), self._extra)
            self._configs, self._deployments, self._plan = wanted, deployments, plan

    def _nothing(self, wanted: Sequence[DeploymentConfig]) -> StartupError:
        """Later where one of them may be described then.

        A 500 is ComfyDeploy's answer for an id that it doesn't know, too; nothing tells the two apart.
        """
        faults = [self._faults.get(config.deployment_id) for config in wanted]
        if not any(fault is not None and fault.passing for fault in faults):
            return StartupError(
                f"{_NONE}: check COMFYDEPLOY_API_KEY, COMFYDEPLOY_API_URL and the deployments' ids. "
                f"{_WITHOUT}"
            )
        return StartLater(
            f"{_NONE}: start again when it answers. If it does already, check the deployments' ids "
            f"and COMFYDEPLOY_API_URL. {_WITHOUT}"
        )

    async def _compiled(self, config: DeploymentConfig, gate: asyncio.Semaphore) -> Deployment | None:
        async with gate:
            info = await self._described(config.deployment_id) or await self._remembered(config.deployment_id)
        if info is None and not describes_itself(config):
            left_out = f"deployment '{config.name}' is left out: nothing describes its inputs"
            self._tell(config.name, left_out, level=logging.ERROR)
            return None
        deployment = compile_deployment(config, info)
        self._tell(config.name, *deployment.warnings)
        return deployment

    def _tell(self, about: str, *sentences: str, level: int = logging.WARNING) -> None:
        """Only what is new: the deployments are asked about again and again."""
        said = "\n".join(sentences)
        if said and said != self._told.get(about):
            for sentence in sentences:
                log.log(level, "%s", sentence)
        self._told[about] = said

    async def _described(self, deployment_id: str) -> DeploymentInfo | None:
        try:
            info = await self._comfy.deployment(deployment_id)
        except ComfyError as error:
            self._faults[deployment_id] = error
            self._tell(deployment_id, f"ComfyDeploy does not describe deployment {deployment_id}: {error}")
            return None
        self._faults.pop(deployment_id, None)
        self._tell(deployment_id)
        await self._remember(deployment_id, info)
        return info

    async def _remember(self, deployment_id: str, info: DeploymentInfo) -> None:
        text = info.model_dump_json()
        if self._kept.get(deployment_id) == text:
            return
        try:
            await self._cache.put_deployment(deployment_id, text)
            self._kept[deployment_id] = text
        except StoreUnavailable as error:
            log.warning("deployment %s can't be kept in the store: %s", deployment_id, error)

    async def _remembered(self, deployment_id: str) -> DeploymentInfo | None:
        try:
            text = await self._cache.get_deployment(deployment_id)
            return DeploymentInfo.model_validate_json(text) if text is not None else None
        except StoreUnavailable as error:
            log.warning("deployment %s can't be looked up in the store: %s", deployment_id, error)
        except ValidationError:
            log.warning("deployment %s is kept in the store in a form that can't be read", deployment_id)
        return None


@dataclass(frozen=True, slots=True)
class ReloadResult:
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

    async def reload(self) -> ReloadResult:
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

    async def _load(self, configs: Sequence[DeploymentConfig] | None) -> ReloadResult:
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


def _compared(before: Mapping[str, Deployment], after: Mapping[str, Deployment]) -> ReloadResult:
    return ReloadResult(
        added=tuple(name for name in after if name not in before),
        changed=tuple(name for name in after if name in before and after[name] != before[name]),
        removed=tuple(name for name in before if name not in after),
        warnings=tuple(sentence for deployment in after.values() for sentence in deployment.warnings),
    )


def _told(found: ReloadResult) -> str:
    parts = (("added", found.added), ("changed", found.changed), ("removed", found.removed))
    return "; ".join(f"{word} {', '.join(names)}" for word, names in parts if names)
