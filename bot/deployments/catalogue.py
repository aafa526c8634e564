"""The deployments on offer: asked of ComfyDeploy, remembered in the store, completed by the file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from pydantic import ValidationError

from bot.comfy.deployments import DeploymentInfo
from bot.deployments.compile import compile_deployment, describes_itself
from bot.deployments.model import Deployment
from bot.deployments.plan import CommandPlan, OptionSpec
from bot.deployments.planning import plan_commands
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
