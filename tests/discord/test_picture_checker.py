"""The bot's checker, as its settings and deployments.toml describe it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web
from pydantic import SecretStr

from bot.domain.picture_check import Label
from demo.fake_comfydeploy.deployments import PICTURE_ID
from tests.harness import open_app
from tests.serving import serving

DEPLOYMENTS = f"""
[deployments.flux]
deployment_id = "{PICTURE_ID}"
[picture_check.labels]
porn = "explicit"
"""


async def test_the_bot_asks_the_configured_checker_and_maps_its_labels(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.json_response({"labels": {"porn": 0.9, "neutral": 1}})

    async with serving(answer) as url:
        given = {"picture_check_url": f"{url}/check", "picture_check_secret": SecretStr("s" * 16)}
        async with open_app(tmp_path, deployments=DEPLOYMENTS, **given) as runner:
            pictures = runner.app.app.pictures
            assert pictures is not None
            picture = tmp_path / "picture"
            picture.write_bytes(b"a picture")
            deadline = asyncio.get_running_loop().time() + 60
            found = await pictures.check(picture, "image/png", server=1, deadline=deadline)
            assert found == {Label.EXPLICIT}


async def test_without_an_address_there_is_no_checker(tmp_path: Path) -> None:
    async with open_app(tmp_path) as runner:
        assert runner.app.app.pictures is None
