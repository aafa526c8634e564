"""A webhook receiver on a real socket that records requests and answers as told."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Received:
    method: str
    path: str
    text: str
    body: Any


@dataclass(slots=True)
class Receiver:
    """A receiver; it gives `answers` one after the other, then 200."""

    answers: deque[web.Response] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)
    base: str = ""
    _runner: web.AppRunner | None = None

    def url(self, path: str = "/hook") -> str:
        return f"{self.base}{path}"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [each.body for each in self.received]

    @property
    def statuses(self) -> list[str]:
        return [body["status"] for body in self.bodies]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.base = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        text = await request.text()
        body = await request.json() if text else None
        self.received.append(Received(request.method, request.path_qs, text, body))
        return self.answers.popleft() if self.answers else web.Response()
