"""The caller of the webhook endpoint: ComfyDeploy's side of a run in progress."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bot.comfydeploy.wire import WebhookSigner
from bot.domain.runs import Run
from tests.harness import AppRunner
from tests.questions import runs

SECRET = "a-secret-of-the-operators-own-0123456789"


@dataclass
class Caller:
    """Calls the endpoint; `url` is the run's own address with its secret."""

    runner: AppRunner
    session: aiohttp.ClientSession
    key: str
    run_id: str

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.runner.port}"

    @property
    def url(self) -> str:
        return self.signed(self.key)

    def signed(self, key: str) -> str:
        """Return the address of a run's webhooks."""
        return WebhookSigner(SECRET, self.base).url(key) or ""

    def event(self, status: str = "running", **more: Any) -> dict[str, Any]:
        return {
            "event_type": "run.updated",
            "run_id": self.run_id,
            "status": status,
            "live_status": None,
            "progress": 0.5,
            "outputs": [],
            **more,
        }

    async def call(self, body: Any, url: str | None = None, method: str = "POST") -> tuple[int, str]:
        """Return the answer's status and text; a body that is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.request(method, url or self.url, data=data) as reply:
            return reply.status, await reply.text()

    async def reports(self, status: str = "running", **more: Any) -> Run:
        """Report an event, which is recorded, and return the run after it."""
        assert await self.call(self.event(status, **more)) == (204, "")
        return await self.run()

    async def metrics(self) -> dict[str, float]:
        """Return the value of each series on the metrics page, without the prefix of its name."""
        async with self.session.get(f"{self.base}/metrics") as reply:
            assert reply.status == 200
            found = re.findall(r"^comfydeploy_bot_(\S+) (\S+)$", await reply.text(), re.MULTILINE)
        return {name: float(value) for name, value in found}

    async def counted(self) -> dict[str, int]:
        """Return the numbers of webhooks on the metrics page, by result, without those that are 0."""
        found = {
            re.fullmatch(r'webhooks_total\{result="(\w+)"\}', name): n
            for name, n in (await self.metrics()).items()
        }
        return {name[1]: int(number) for name, number in found.items() if name and number}

    async def run(self) -> Run:
        (only,) = await runs(self.runner.database)
        return only

    @asynccontextmanager
    async def database_away(self) -> AsyncIterator[None]:
        """Make the database file impossible to open inside the block."""
        file = self.runner.database.file
        assert file is not None
        await self.runner.app.app.store.close()
        aside = file.rename(file.with_suffix(".away"))
        file.mkdir()
        yield
        file.rmdir()
        aside.rename(file)


def output(url: str = "https://files.example/a.png") -> dict[str, Any]:
    item = {"url": url, "type": "output", "filename": "a.png", "subfolder": "", "is_public": True}
    return {"id": "o1", "run_id": "r", "data": {"images": [item]}, "node_meta": {"node_id": "9"}}
