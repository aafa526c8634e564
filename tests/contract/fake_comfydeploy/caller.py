"""A plain HTTP client of the fake ComfyDeploy and a receiver of its webhooks, without any code of the bot."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from demo.fake_comfydeploy.server import FakeComfyDeploy


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    content_type: str
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Caller:
    session: aiohttp.ClientSession
    comfydeploy: FakeComfyDeploy

    async def call(self, method: str, path: str, **kwargs: Any) -> Reply:
        """Send a request; `path` is below the server's root, as in the recordings."""
        headers = kwargs.pop("headers", {"Authorization": f"Bearer {self.comfydeploy.api_key}"})
        url = path if path.startswith("http") else f"{self.comfydeploy.root}{path}"
        async with self.session.request(
            method, url, headers=headers, allow_redirects=False, **kwargs
        ) as reply:
            content = await reply.read()
            text = content.decode(errors="replace")
            return Reply(reply.status, reply.headers.get("Content-Type", ""), text)

    async def queue(self, deployment_id: str, **fields: Any) -> Reply:
        body = {"deployment_id": deployment_id, **fields}
        return await self.call("POST", "/api/run/deployment/queue", json=body)

    async def start(self, deployment_id: str, **fields: Any) -> str:
        reply = await self.queue(deployment_id, **fields)
        assert reply.status == 200, reply.text
        run_id: str = reply.body["run_id"]
        return run_id

    async def finish(self, deployment_id: str, **fields: Any) -> str:
        """Start a run, wait until nothing is in progress and return the run's id."""
        run_id = await self.start(deployment_id, **fields)
        await self.comfydeploy.idle()
        return run_id

    async def cancel(self, run_id: str) -> Reply:
        return await self.call("POST", f"/api/run/{run_id}/cancel")

    async def run(self, run_id: str, query: str = "") -> dict[str, Any]:
        reply = await self.call("GET", f"/api/run/{run_id}{query}")
        assert reply.status == 200, reply.text
        body: dict[str, Any] = reply.body
        return body


class Receiver:
    """A receiver of webhooks on a real socket, and the bodies that it got at each path."""

    def __init__(self) -> None:
        self.bodies = defaultdict[str, list[dict[str, Any]]](list)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._receive)
        self.server = TestServer(app)

    def url(self, path: str = "/hook") -> str:
        return str(self.server.make_url(path))

    async def _receive(self, request: web.Request) -> web.Response:
        self.bodies[request.path].append(await request.json())
        return web.Response()
