"""What `check` says about the picture checker."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image
from pydantic import SecretStr

from bot.effects import Effects
from bot.ops.check import check_pictures
from bot.ops.check_services import Finding, Level
from tests.ports import free_port
from tests.serving import serving
from tests.unit.factories import SETTINGS

SECRET = "a-secret-of-the-checker"
OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR


async def finding(url: str) -> Finding:
    given = {"picture_check_url": url, "picture_check_secret": SecretStr(SECRET)}
    found = await check_pictures(SETTINGS.model_copy(update=given), Effects())
    assert SECRET not in str(found)
    return found


@pytest.mark.parametrize(
    ("status", "text", "level", "summary", "remedy"),
    [
        (200, '{"labels": {"explicit": 0.1}}', OK, "it doesn't flag a grey square ('explicit').", ""),
        (200, '{"labels": {"explicit": 0.9}}', WARNING, "a grey square is explicit.", ""),
        (200, '{"labels": {}}', OK, "", ""),
        (200, '{"labels": {"porn": 0.1, "\\u001b[2J": 0.2}}', ERROR, r"'porn', '\x1b[2J'", "labels]"),
        (200, "<!doctype html>", ERROR, "the answer isn't one of the protocol.", "PICTURE_CHECK_URL"),
        (403, "", ERROR, "the checker answered 403.", "PICTURE_CHECK_SECRET"),
        (404, "", ERROR, "the checker answered 404.", "own address, with its path"),
        (308, "", ERROR, "the checker answered 308.", "own address, with its path"),
        (500, "", ERROR, "the checker answered 500.", "the checker's log"),
    ],
)
async def test_an_answer_has_its_finding_and_its_remedy(
    status: int, text: str, level: Level, summary: str, remedy: str
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert Image.open(BytesIO(await request.read())).size
        return web.Response(text=text, status=status, headers={"Location": "/elsewhere"})

    async with serving(answer) as url:
        found = await finding(f"{url}/check")
    assert found.level is level
    assert summary in found.summary
    assert remedy in str(found.remedy)


async def test_an_unreachable_checker_has_its_remedy() -> None:
    found = await finding(f"http://127.0.0.1:{free_port()}/check")
    assert (found.level, found.summary) == (ERROR, "no connection (Connection refused).")
    assert "that the checker runs" in found.remedy


async def test_a_mistake_in_the_labels_is_told(tmp_path: Path) -> None:
    file = tmp_path / "deployments.toml"
    deployment = 'deployments.a.deployment_id = "98244b49-9b56-46b8-83c8-334f27412095"'
    file.write_text(f'{deployment}\npicture_check.labels.porn = "very"\n', encoding="utf-8")
    given = {"comfydeploy_deployment_id": None, "deployments_file": file, "picture_check_url": "http://h"}
    found = await check_pictures(SETTINGS.model_copy(update=given), Effects())
    assert (found.level, found.remedy) == (ERROR, "Correct deployments.toml.")
    assert found.summary == "picture_check.labels.porn: must be one of explicit, nudity, suggestive"
