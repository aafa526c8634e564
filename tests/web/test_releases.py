"""A newer release is mentioned in the log once a day, by a setting; nothing depends on it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from aiohttp import web

from bot import __version__
from tests.harness import open_app
from tests.serving import serving

NEWER = {"tag_name": "v99.1.2", "body": 'a text with "tag_name": "v0.0.1"'}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (json.dumps(NEWER), 200, f"version 99.1.2 is released, and this is {__version__}"),
        (json.dumps({"tag_name": f"v{__version__}"}), 200, ""),
        (json.dumps({"tag_name": "v0.9.9"}), 200, ""),
        (json.dumps({"tag_name": "nightly\nforged line"}), 200, "RELEASES_URL has no tag_name"),
        ("[" * 100_000, 200, "RELEASES_URL has no tag_name"),
        ("x" * 1024 * 1025, 200, "can't read RELEASES_URL"),
        (json.dumps(NEWER), 500, "can't read RELEASES_URL"),
        ("http://169.254.169.254/latest/meta-data", 302, "can't read RELEASES_URL"),
    ],
)
async def test_a_newer_release_is_mentioned_once_a_day(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, body: str, status: int, said: str
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, status=status, headers={"Location": body[:100].partition("\n")[0]})

    caplog.set_level(logging.INFO, "bot.ops.releases")
    async with serving(answer) as url, open_app(tmp_path, releases_url=url) as runner:
        worker, heard = runner.app.workers["release"], list[int]()
        for hours in (0, 1, 22, 1):
            runner.clock.move(seconds=hours * 3600)
            found = await worker.claim(1)
            for item in found if isinstance(found, list) else ():
                await worker.handle(item)
            heard.append(len(caplog.messages))
    assert all(message.startswith(said) for message in caplog.messages)
    failed = said.startswith("can't")
    assert heard == ([0, 0, 0, 0] if not said else [1, 2, 3, 4] if failed else [1, 1, 1, 2])
    assert [each.levelname for each in caplog.records] == ["WARNING" if "99" in said else "INFO"] * heard[-1]
