"""What `check` says about the picture checker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from bot.ops.check_machine import check_pictures
from bot.ops.findings import Finding, Level
from bot.outside import Outside
from demo.picture_check import PATH, FakePictureCheck, Mood
from deploy.picture_check import Service
from tests.ports import free_port
from tests.serving import serving
from tests.unit.factories import SETTINGS

SECRET = "a-secret-of-the-checker"


async def finding(url: str) -> Finding:
    given = {"picture_check_url": url, "picture_check_secret": SecretStr(SECRET)}
    return await check_pictures(SETTINGS.model_copy(update=given), Outside())


@asynccontextmanager
async def fake(**changes: Any) -> AsyncIterator[str]:
    async with TestServer(FakePictureCheck(**{"secret": SECRET, **changes}).app()) as server:
        yield str(server.make_url(PATH))


async def answered(text: str = "", status: int = 200, **headers: str) -> Finding:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(text=text, status=status, headers=headers)

    async with serving(answer) as url:
        return await finding(f"{url}/check")


async def test_a_checker_that_answers_is_ok() -> None:
    async with fake() as url:
        found = await finding(url)
    assert (found.level, found.summary) == (Level.OK, "it doesn't flag a grey square ('explicit').")
    assert (await answered('{"labels": {}}')).level is Level.OK


async def test_the_checker_of_the_repository_reads_the_picture() -> None:
    async with TestServer(Service(SECRET, lambda picture: {"FACE_MALE": 1.0}).app()) as server:
        found = await finding(str(server.make_url("/check")))
    assert found.summary == "it doesn't flag a grey square ('explicit', 'nudity', 'suggestive')."


async def test_a_checker_that_flags_a_grey_square_is_a_warning() -> None:
    async with fake(mood=Mood.LYING) as url:
        found = await finding(url)
    assert (found.level, found.summary) == (Level.WARNING, "a grey square is explicit.")


async def test_labels_that_mean_nothing_are_named_without_control_characters() -> None:
    found = await answered('{"labels": {"porn": 0.1, "\\u001b[2J": 0.2}}')
    assert found.level is Level.ERROR
    assert "'porn', '\\x1b[2J'" in found.summary
    assert "[picture_check.labels]" in found.remedy


async def test_a_wrong_secret_has_its_remedy() -> None:
    async with fake(secret="another secret") as url:
        found = await finding(url)
    assert (found.level, found.summary) == (Level.ERROR, "the checker answered 403.")
    assert "PICTURE_CHECK_SECRET" in found.remedy
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (404, "own address, with its path"),
        (405, "own address, with its path"),
        (308, "own address, with its path"),
        (422, "the checker's log"),
        (500, "the checker's log"),
    ],
)
async def test_another_status_has_its_remedy(status: int, remedy: str) -> None:
    found = await answered(status=status, Location="/elsewhere")
    assert (found.level, found.summary) == (Level.ERROR, f"the checker answered {status}.")
    assert remedy in found.remedy


async def test_garbage_has_its_remedy() -> None:
    found = await answered("<!doctype html>")
    assert found.summary == "the answer isn't one of the protocol."
    assert "PICTURE_CHECK_URL" in found.remedy


async def test_a_mistake_in_the_labels_is_told(tmp_path: Path) -> None:
    file = tmp_path / "deployments.toml"
    file.write_text('picture_check.labels.porn = "very"\n', encoding="utf-8")
    given = {"comfydeploy_deployment_id": None, "deployments_file": file, "picture_check_url": "http://h"}
    found = await check_pictures(SETTINGS.model_copy(update=given), Outside())
    assert (found.level, found.remedy) == (Level.ERROR, "Correct deployments.toml.")
    assert found.summary == "picture_check.labels.porn: must be one of explicit, nudity, suggestive"


@pytest.mark.parametrize(
    ("host", "reason"),
    [("127.0.0.1", "Connection refused"), ("nobody.invalid", "the name can't be resolved")],
)
async def test_an_unreachable_checker_has_its_remedy(host: str, reason: str) -> None:
    found = await finding(f"http://{host}:{free_port()}/check")
    assert found.level is Level.ERROR
    assert found.summary == f"no connection ({reason})."
    assert "that the checker runs" in found.remedy
