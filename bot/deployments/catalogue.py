"""Keep the catalogue of offered deployments."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from pydantic import TypeAdapter, ValidationError

from bot.deployments.command_plan import CommandPlan, plan_commands
from bot.deployments.follow_ups import link_follow_ups
from bot.deployments.merge import removed_since
from bot.deployments.model import Deployment, compile_deployment, deployment_of, describes_itself
from bot.deployments.schema import DeploymentSettings
from bot.domain.backend import Backend, DeploymentDescription
from bot.domain.errors import (
    BackendError,
    BackendServerError,
    InputError,
    RefusedError,
    StartLater,
    StartupError,
    StoreUnavailable,
)
from bot.domain.policy import Offer
from bot.domain.runs import Run

log = logging.getLogger(__name__)
_NONE = (
    "No deployment can be offered. ComfyDeploy described none of them; the lines above give the reasons. "
    "Check COMFYDEPLOY_API_KEY, COMFYDEPLOY_API_URL and the deployments' ids. To start without ComfyDeploy, "
    "describe a deployment in full in deployments.toml."
)
# ComfyDeploy responds with 500 in each of these cases.
CAUSES = (
    "If ComfyDeploy works otherwise, the account of COMFYDEPLOY_API_KEY has no deployment with this id, or "
    "an Enum input of its workflow has no JSON list of texts as options."
)
_DESCRIPTION = TypeAdapter(DeploymentDescription)
_AT_ONCE = 4  # deployments that the backend is asked to describe at the same time


class Catalogue:
    """The current deployments, and the `plan` of their command.

    Only `load` waits for the backend; one runs at a time. `read` and `write` keep the deployments'
    descriptions as JSON, by id, so that the bot can start while the backend is down. They raise
    StoreUnavailable if the database is unreachable. `faults` has the error for each deployment that the
    backend didn't describe when last asked, by id.
    """

    def __init__(
        self,
        configured: Sequence[DeploymentSettings],
        backend: Backend,
        read: Callable[[str], Awaitable[str | None]] | None = None,
        write: Callable[[str, str], Awaitable[None]] | None = None,
    ) -> None:
        self._configured = tuple(configured)
        self._backend = backend
        self._read = read
        self._write = write
        self._deployments: dict[str, Deployment] = {}
        self.plan = CommandPlan(())
        self._written: dict[str, str] = {}
        self.faults: dict[str, BackendError] = {}

    def get(self, name: str) -> Deployment | None:
        return self._deployments.get(name)

    def require(self, name: str) -> Deployment:
        """Return the deployment. Raises InputError if it is no longer offered."""
        if (found := self._deployments.get(name)) is None:
            raise InputError("deployment_gone")
        return found

    def all(self) -> tuple[Deployment, ...]:
        """Return the deployments in the order of the file."""
        return tuple(self._deployments.values())

    def title(self, name: str) -> str:
        """Return a deployment's title, or its name if it is no longer offered."""
        found = self._deployments.get(name)
        return found.title if found is not None else name

    def is_marked(self, run: Run) -> bool:
        """Return whether a result is age-restricted in any channel: by its deployment or one of its files'.

        Such a result isn't sent as a direct message either.
        """
        own = deployment_of(run, self.all())
        marked = [each for each in self.all() if each.age_restricted]
        by_files = any(each.deployment_id in run.file_deployments for each in marked)
        return run.age_restricted or own in marked or by_files

    def offer(self, run: Run) -> Offer:
        """Return what is offered today for a stored run."""
        if (deployment := deployment_of(run, self.all())) is None:
            return Offer(refusal=RefusedError("deployment_gone"))
        gpu, refusal = deployment.expected_gpu(run.gpu), removed_since(deployment, run)
        return Offer(gpu=gpu, is_marked=self.is_marked(run), refusal=refusal)

    async def load(self, configured: Sequence[DeploymentSettings] | None = None) -> None:
        """Fetch all descriptions, then replace all deployments at once.

        `configured` replaces the earlier settings; None keeps them. Raises StartupError if no deployment can
        be offered or Discord's limits can't be met; then the old deployments remain.
        """
        wanted = self._configured if configured is None else tuple(configured)
        gate = asyncio.Semaphore(_AT_ONCE)
        found = await asyncio.gather(*(self._compiled(each, gate) for each in wanted))
        deployments = {item.name: item for item in found if item is not None}
        if not deployments:
            faults = [self.faults.get(settings.deployment_id) for settings in wanted]
            if any(fault is not None and fault.passing for fault in faults):
                raise StartLater(f"{_NONE} ComfyDeploy may only be away: start again when it answers.")
            raise StartupError(_NONE)
        deployments = link_follow_ups(wanted, deployments)
        for name, linked in deployments.items():
            before = self._deployments.get(name)
            if before is None or before.warnings != linked.warnings:
                for sentence in linked.warnings:
                    log.warning("%s", sentence)
        plan = plan_commands([*deployments.values()])
        self._configured, self._deployments, self.plan = wanted, deployments, plan

    async def _compiled(self, settings: DeploymentSettings, gate: asyncio.Semaphore) -> Deployment | None:
        async with gate:
            info = await self._described(settings)
        if info is None and not describes_itself(settings):
            return None
        await asyncio.sleep(0)  # lets other tasks run between parsing and compiling a large description
        return compile_deployment(settings, info, self._backend.gpus)

    async def _described(self, settings: DeploymentSettings) -> DeploymentDescription | None:
        """Return the backend's description, or the stored one if it gives none."""
        deployment_id = settings.deployment_id
        try:
            info = await self._backend.describe_deployment(deployment_id)
        except BackendError as error:
            kept = await self._kept(deployment_id)
            if str(error) != str(self.faults.get(deployment_id)):
                causes = f". {CAUSES}" if isinstance(error, BackendServerError) else ""
                left_out = "" if kept or describes_itself(settings) else ", which is left out"
                told = "ComfyDeploy does not describe deployment %s%s: %s%s"
                log.warning(told, deployment_id, left_out, error, causes)
            self.faults[deployment_id] = error
            return kept
        self.faults.pop(deployment_id, None)
        text = _DESCRIPTION.dump_json(info).decode()
        if self._write is not None and self._written.get(deployment_id) != text:
            try:
                await self._write(deployment_id, text)
                self._written[deployment_id] = text
            except StoreUnavailable as error:
                log.warning("can't store the description of deployment %s: %s", deployment_id, error)
        return info

    async def _kept(self, deployment_id: str) -> DeploymentDescription | None:
        try:
            text = await self._read(deployment_id) if self._read is not None else None
            return _DESCRIPTION.validate_json(text) if text is not None else None
        except (StoreUnavailable, ValidationError) as error:
            reason = "its JSON is invalid" if isinstance(error, ValidationError) else error
            log.warning("can't read the stored description of deployment %s: %s", deployment_id, reason)
        return None
