"""The catalogue of deployments: what a start or a reload needs, and what it says without it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from bot.comfydeploy.deployments import GPUS
from bot.deployments.catalogue import Catalogue
from bot.deployments.schema import DeploymentSettings
from bot.domain.backend import Backend, DeploymentDescription
from bot.domain.errors import (
    BackendError,
    BackendNotFound,
    BackendRateLimited,
    BackendServerError,
    StartLater,
    StartupError,
)
from tests.unit.deployments.made import UUID, config, info, node

LTX, NOWHERE = "3d211e35-98da-4fb7-acf6-438b8846a9b9", "00000000-1111-4222-8333-444444444444"


class Comfy:
    """A backend whose deployment has the input `prompt`, or that fails; `notes` is the bot's database."""

    gpus = GPUS

    def __init__(self, error: BackendError | None = None) -> None:
        self.described = info(node("prompt", "Text"))
        self.error = error
        self.errors: dict[str, BackendError] = {NOWHERE: BackendServerError("HTTP 500")}
        self.notes: dict[str, str] = {}

    async def describe_deployment(self, deployment_id: str) -> DeploymentDescription:
        if error := self.errors.get(deployment_id, self.error):
            raise error
        return self.described

    async def read(self, deployment_id: str) -> str | None:
        return self.notes.get(deployment_id)

    async def write(self, deployment_id: str, text: str) -> None:
        self.notes[deployment_id] = text

    def catalogue(self, *configs: DeploymentSettings) -> Catalogue:
        """Return a catalogue as after a start."""
        return Catalogue(configs or [config()], cast("Backend", self), self.read, self.write)

    async def first_input(self, **settings: Any) -> str:
        """Start, and return the first input of the deployment."""
        made = self.catalogue(config(**settings))
        await made.load()
        return made.get("flux").offered[0].key


async def test_a_start_needs_the_service_once_or_a_description_in_the_file() -> None:
    comfy = Comfy()
    assert await comfy.first_input() == "prompt"
    comfy.error = BackendServerError("HTTP 500")
    assert await comfy.first_input() == "prompt"  # from the database
    assert await comfy.first_input(inputs={"words": {"kind": "text", "prompt": True}}) == "words"
    comfy.notes[UUID] = "{broken"
    with pytest.raises(StartupError):
        await comfy.first_input()


@pytest.mark.parametrize(("error", "later"), [(BackendNotFound(), False), (BackendRateLimited(), True)])
async def test_the_start_can_succeed_later_only_where_the_fault_may_pass(
    error: BackendError, later: bool
) -> None:
    comfy = Comfy(error)
    # One deployment that can be described later is enough.
    comfy.errors[LTX] = BackendNotFound()
    with pytest.raises(StartupError, match="No deployment can be offered") as caught:
        await comfy.catalogue(config("ltx", deployment_id=LTX), config()).load()
    assert isinstance(caught.value, StartLater) is later
    assert ("start again when it answers" in str(caught.value)) is later


async def test_a_failed_reload_keeps_what_is_on_offer() -> None:
    comfy = Comfy()
    made = comfy.catalogue()
    await made.load()
    before = made.plan
    comfy.described = info(*(node(f"i{number}", "Image") for number in range(30)))
    with pytest.raises(StartupError, match="file inputs"):
        await made.load()
    assert made.plan is before
    assert made.get("flux").offered[0].key == "prompt"


async def test_a_fault_is_told_once_with_what_to_check(caplog: pytest.LogCaptureFixture) -> None:
    made = Comfy().catalogue(config("ltx", deployment_id=NOWHERE), config())
    for _ in range(2):
        await made.load()
    assert [item.name for item in made.all()] == ["flux"]
    assert list(made.faults) == [NOWHERE]
    assert caplog.text.count(f"does not describe deployment {NOWHERE}") == 1
    assert "the account of COMFYDEPLOY_API_KEY has no deployment with this id" in caplog.text
