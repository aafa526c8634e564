"""Drive a real page in Chromium over its DevTools protocol, which needs no package besides aiohttp."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FOUND = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


class Tab:
    """A page in Chromium."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.session: str | None = None

    async def call(self, method: str, **given: Any) -> dict[str, Any]:
        """Send one command and return its result. Events that arrive meanwhile are ignored."""
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": given}
        if self.session:
            command["sessionId"] = self.session
        await self._socket.send_json(command)
        while True:
            answer = json.loads(await self._socket.receive_str())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    async def run(self, script: str) -> Any:
        """Evaluate an expression and return its value; a promise is awaited."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, body: str) -> None:
        """Wait until this function body returns something true."""
        async with asyncio.timeout(60):
            while not await self.run(f"(() => {{ {body} }})()"):  # noqa: ASYNC110  # the page can't set an Event
                await asyncio.sleep(0.05)


@asynccontextmanager
async def tab(url: str, profile: Path, size: tuple[int, int]) -> AsyncIterator[Tab]:
    """Open `url` in a Chromium of its own, which keeps its files in `profile`."""
    assert FOUND
    process = await asyncio.create_subprocess_exec(
        FOUND,
        "--headless",
        "--no-sandbox",
        "--no-first-run",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        f"--window-size={size[0]},{size[1]}",
        "about:blank",
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(120):
            address = await _address(process)
        async with aiohttp.ClientSession() as http, http.ws_connect(address, max_msg_size=0) as socket:
            page = Tab(socket)
            target = await page.call("Target.createTarget", url=url)
            attached = await page.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
            page.session = attached["sessionId"]
            yield page
    finally:
        process.kill()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr
    while line := (await process.stderr.readline()).decode():
        if line.startswith("DevTools listening on "):
            return line.removeprefix("DevTools listening on ").strip()
    raise AssertionError("Chromium ended before it listened")
