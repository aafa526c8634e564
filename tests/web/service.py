"""The caller of the webhook endpoint: ComfyDeploy's side of a run in progress."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import aiohttp

from bot.comfydeploy.wire import WebhookSigner
from bot.domain.runs import Run
from tests.harness import Harness

SECRET = "a-secret-of-the-operators-own-0123456789"


@dataclass
class Caller:
    """Calls the endpoint; `url` is the run's own address with its secret."""

    bot: Harness
    session: aiohttp.ClientSession
    url: str
    run_id: str

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.bot.runner.port}"

    @property
    def signer(self) -> WebhookSigner:
        return WebhookSigner(SECRET, self.base)

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

    async def counted(self) -> dict[str, float]:
        """Return the number of webhooks on the metrics page, by result."""
        async with self.session.get(f"{self.base}/metrics") as reply:
            found = re.findall(r'webhooks_total\{result="(\w+)"\} (\S+)', await reply.text())
        return {result: float(number) for result, number in found}

    async def run(self) -> Run:
        return await self.bot.run()


def output(url: str = "https://files.example/a.png") -> dict[str, Any]:
    item = {"url": url, "type": "output", "filename": "a.png", "subfolder": "", "is_public": True}
    return {"id": "o1", "run_id": "r", "data": {"images": [item]}, "node_meta": {"node_id": "9"}}
