"""Against a real server, the real client and a real SQLite file."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp import web

from bot.comfy.client import ComfyClient, open_session
from bot.deployments.catalogue import Catalogue
from bot.deployments.schema import DeploymentConfig
from bot.errors import ComfyUnreachable, StartLater, StartupError
from bot.store import Store
from tests.harness import free_port
from tests.unit.comfy.servers import http_server
from tests.unit.deployments.made import UUID, config

LTX = "3d211e35-98da-4fb7-acf6-438b8846a9b9"


class Comfy:
    """What the server knows; `down` answers as it does for everything unknown: 500, unless told otherwise."""

    def __init__(self) -> None:
        self.inputs: dict[str, list[dict[str, object]]] = {
            UUID: [{"type": "string", "class_type": "ComfyUIDeployExternalText", "input_id": "prompt"}],
            LTX: [{"type": "string", "class_type": "ComfyUIDeployExternalText", "input_id": "story"}],
        }
        self.down = False
        self.status = 500
        self.statuses: dict[str, int] = {}

    async def answer(self, request: web.Request) -> web.Response:
        asked = request.path.rpartition("/")[2]
        found = self.inputs.get(asked)
        if self.down or found is None:
            status = self.statuses.get(asked, self.status)
            return web.json_response({"detail": "Internal server error"}, status=status)
        body = {"id": request.path.rpartition("/")[2], "workflow": {"name": "wf"}, "input_types": found}
        return web.Response(body=json.dumps(body), content_type="application/json")


@contextlib.asynccontextmanager
async def catalogue(
    comfy: Comfy, configs: Sequence[DeploymentConfig], folder: Path
) -> AsyncIterator[Catalogue]:
    store = Store(f"sqlite+aiosqlite:///{folder / 'bot.db'}")
    await store.open()
    try:
        async with http_server(comfy.answer) as url, open_session() as session:
            yield Catalogue(configs, ComfyClient(session, url, "key"), store.notes)
    finally:
        await store.close()


async def test_deployments_are_described_by_comfydeploy(tmp_path: Path) -> None:
    async with catalogue(Comfy(), [config("ltx", deployment_id=LTX), config()], tmp_path) as made:
        await made.load()
        assert [item.name for item in made.all()] == ["ltx", "flux"]
        assert made.get("ltx").inputs[0].key == "story"
        assert made.get("gone") is None
        assert [command.name for command in made.plan.commands] == ["ltx", "flux"]


async def test_a_start_works_while_comfydeploy_is_down_from_what_was_remembered(tmp_path: Path) -> None:
    comfy = Comfy()
    async with catalogue(comfy, [config()], tmp_path) as made:
        await made.load()
    comfy.down = True
    async with catalogue(comfy, [config()], tmp_path) as made:
        await made.load()
        assert made.get("flux").inputs[0].key == "prompt"


async def test_a_deployment_described_in_full_by_the_file_needs_neither(tmp_path: Path) -> None:
    comfy = Comfy()
    comfy.down = True
    full = config(inputs={"words": {"kind": "text", "prompt": True}})
    async with catalogue(comfy, [full], tmp_path) as made:
        await made.load()
        assert made.get("flux").inputs[0].key == "words"


async def test_one_that_nothing_describes_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    comfy = Comfy()
    del comfy.inputs[LTX]
    async with catalogue(comfy, [config("ltx", deployment_id=LTX), config()], tmp_path) as made:
        with caplog.at_level(logging.ERROR):
            await made.load()
        assert [item.name for item in made.all()] == ["flux"]
    assert "deployment 'ltx' is left out" in caplog.text


async def test_with_none_at_all_the_start_fails_in_words(tmp_path: Path) -> None:
    comfy = Comfy()
    comfy.down = True
    async with catalogue(comfy, [config()], tmp_path) as made:
        with pytest.raises(StartLater, match=r"No deployment can be offered.* start again when it answers"):
            await made.load()


@pytest.mark.parametrize(("status", "later"), [(401, False), (404, False), (429, True), (503, True)])
async def test_the_start_can_succeed_later_only_where_the_fault_may_pass(
    tmp_path: Path, status: int, later: bool
) -> None:
    comfy = Comfy()
    comfy.status, comfy.down = status, True
    async with catalogue(comfy, [config()], tmp_path) as made:
        with pytest.raises(StartupError) as caught:
            await made.load()
        assert isinstance(caught.value, StartLater) is later
        assert ("COMFYDEPLOY_API_KEY" in str(caught.value)) is not later


async def test_what_can_be_described_later_is_enough_for_a_later_start(tmp_path: Path) -> None:
    comfy = Comfy()
    comfy.statuses, comfy.down = {LTX: 404}, True
    async with catalogue(comfy, [config("ltx", deployment_id=LTX), config()], tmp_path) as made:
        with pytest.raises(StartLater):
            await made.load()


async def test_a_comfydeploy_that_is_not_there_may_be_later(tmp_path: Path) -> None:
    store = Store(f"sqlite+aiosqlite:///{tmp_path / 'bot.db'}")
    await store.open()
    try:
        async with open_session() as session:
            away = ComfyClient(session, f"http://127.0.0.1:{free_port()}", "key")
            with pytest.raises(ComfyUnreachable):
                await away.deployment(UUID)
            made = Catalogue([config()], away, store.notes)
            with pytest.raises(StartLater, match="No deployment can be offered"):
                await made.load()
    finally:
        await store.close()


async def test_a_failed_reload_keeps_what_is_on_offer(tmp_path: Path) -> None:
    comfy = Comfy()
    async with catalogue(comfy, [config()], tmp_path) as made:
        await made.load()
        comfy.inputs[UUID] = [
            {"type": "string", "class_type": "ComfyUIDeployExternalImage", "input_id": f"i{number}"}
            for number in range(30)
        ]
        before = made.plan
        with pytest.raises(StartupError, match="file inputs"):
            await made.load()
        assert made.plan is before
        assert made.get("flux").inputs[0].key == "prompt"


async def test_a_reload_takes_over_what_changed(tmp_path: Path) -> None:
    comfy = Comfy()
    async with catalogue(comfy, [config()], tmp_path) as made:
        await made.load()
        comfy.inputs[UUID] = comfy.inputs[LTX]
        await made.load()
        assert made.plan.commands[0].options[0].name == "story"


async def test_what_is_remembered_in_an_unreadable_form_is_not_used(tmp_path: Path) -> None:
    store = Store(f"sqlite+aiosqlite:///{tmp_path / 'bot.db'}")
    await store.open()
    await store.notes.put_deployment(UUID, "{broken")
    await store.close()
    comfy = Comfy()
    comfy.down = True
    async with catalogue(comfy, [config()], tmp_path) as made:
        with pytest.raises(StartupError):
            await made.load()
