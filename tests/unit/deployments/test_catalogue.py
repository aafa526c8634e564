"""The catalogue of deployments, with a real server, the real client and a real SQLite file."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from bot.comfydeploy.client import ComfyDeploy, open_session
from bot.database.key_values import KeyValueStore
from bot.deployments.catalogue import Catalogue
from bot.deployments.schema import DeploymentSettings
from bot.domain.errors import StartLater, StartupError
from bot.outside import Outside
from bot.store import Store
from tests.databases import new_sqlite
from tests.unit.comfydeploy.calls import connect, http_server
from tests.unit.deployments.made import UUID, config

LTX = "3d211e35-98da-4fb7-acf6-438b8846a9b9"
NOWHERE = "00000000-1111-4222-8333-444444444444"


def text_input(key: str) -> list[dict[str, object]]:
    return [{"type": "string", "class_type": "ComfyUIDeployExternalText", "input_id": key}]


class Comfy:
    """A ComfyDeploy server; while `down` it answers with `status` as for everything unknown."""

    def __init__(self, notes: KeyValueStore) -> None:
        self.inputs = {UUID: text_input("prompt"), LTX: text_input("story")}
        self.down = False
        self.status = 500
        self.statuses: dict[str, int] = {}
        self.notes = notes
        self.client: ComfyDeploy

    async def answer(self, request: web.Request) -> web.Response:
        asked = request.path.rpartition("/")[2]
        if self.down or asked not in self.inputs:
            status = self.statuses.get(asked, self.status)
            return web.json_response({"detail": "Internal server error"}, status=status)
        described = {"id": asked, "workflow": {"name": "wf"}, "input_types": self.inputs[asked]}
        return web.json_response(described)

    def catalogue(self, *configs: DeploymentSettings) -> Catalogue:
        """Return a catalogue as after a start."""
        return Catalogue(configs or [config()], self.client, self.notes.get, self.notes.put)

    async def first_input(self, *configs: DeploymentSettings) -> str:
        """Start, and return the first input of the deployment flux."""
        made = self.catalogue(*configs)
        await made.load()
        return made.get("flux").offered[0].key


@pytest.fixture
async def comfy(tmp_path: Path) -> AsyncIterator[Comfy]:
    store = Store(new_sqlite(tmp_path), Outside())
    made = Comfy(store.key_values)
    try:
        async with http_server(made.answer) as url, open_session() as session:
            made.client = connect(session, url)
            yield made
    finally:
        await store.close()


async def test_a_start_needs_the_service_once_or_a_description_in_the_file(comfy: Comfy) -> None:
    assert await comfy.first_input() == "prompt"
    comfy.down = True
    assert await comfy.first_input() == "prompt"  # from the database
    assert await comfy.first_input(config(inputs={"words": {"kind": "text", "prompt": True}})) == "words"


@pytest.mark.parametrize(("status", "later"), [(401, False), (404, False), (429, True), (503, True)])
async def test_the_start_can_succeed_later_only_where_the_fault_may_pass(
    comfy: Comfy, status: int, later: bool
) -> None:
    comfy.status, comfy.down = status, True
    with pytest.raises(StartupError, match="No deployment can be offered") as caught:
        await comfy.catalogue().load()
    assert isinstance(caught.value, StartLater) is later
    assert ("Start again when it answers" in str(caught.value)) is later
    assert ("COMFYDEPLOY_API_KEY" in str(caught.value)) is not later
    # One deployment that can be described later is enough.
    comfy.statuses = {LTX: 404}
    with pytest.raises(StartLater if later else StartupError):
        await comfy.catalogue(config("ltx", deployment_id=LTX), config()).load()


async def test_a_failed_reload_keeps_what_is_on_offer(comfy: Comfy) -> None:
    made = comfy.catalogue()
    await made.load()
    comfy.inputs[UUID] = [
        {"type": "string", "class_type": "ComfyUIDeployExternalImage", "input_id": f"i{number}"}
        for number in range(30)
    ]
    before = made.plan
    with pytest.raises(StartupError, match="file inputs"):
        await made.load()
    assert made.plan is before
    assert made.get("flux").offered[0].key == "prompt"


async def test_an_unreadable_description_in_the_database_is_not_used(comfy: Comfy) -> None:
    await comfy.notes.put(UUID, "{broken")
    comfy.down = True
    with pytest.raises(StartupError):
        await comfy.catalogue().load()


async def test_an_id_that_comfydeploy_does_not_know_is_told_once_with_what_to_check(
    comfy: Comfy, caplog: pytest.LogCaptureFixture
) -> None:
    made = comfy.catalogue(config("ltx", deployment_id=NOWHERE), config())
    with caplog.at_level(logging.WARNING):
        await made.load()
        await made.load()
    assert [item.name for item in made.all()] == ["flux"]
    assert list(made.faults) == [NOWHERE]
    assert caplog.text.count(f"does not describe deployment {NOWHERE}") == 1
    assert "the account of COMFYDEPLOY_API_KEY has no deployment with this id" in caplog.text
