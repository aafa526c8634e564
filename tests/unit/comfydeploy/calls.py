"""A server that answers as told, and the client's calls to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot import __version__
from bot.comfydeploy.client import ComfyDeploy
from bot.comfydeploy.wire import WebhookSigner
from bot.domain.errors import BackendError
from tests.serving import Handler, serving
from tests.unit.factories import made_run

KEY = "sk-very-secret"
RUN_ID = "a54c3a98-5e73-4435-9f53-72c06e4c4e73"
SIGNER = WebhookSigner("a-secret-for-webhooks", "https://bot.example")
NEW_RUN = made_run(key="k", deployment_id=RUN_ID, inputs={"prompt": "a fox", "steps": 20}, gpu="T4")
OnConnect = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def http_server(handler: Handler) -> AsyncIterator[str]:
    """Yield the base URL of a server that answers every path with `handler`."""
    async with serving(handler) as address:
        yield f"{address}/api"


@contextlib.asynccontextmanager
async def raw_server(on_connect: OnConnect) -> AsyncIterator[str]:
    """Yield the base URL of a server that hands each connection to `on_connect`, then closes it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await on_connect(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
    finally:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.split(b":")[1]))
    return head


def connect(session: aiohttp.ClientSession, base_url: str, **timeouts: float) -> ComfyDeploy:
    return ComfyDeploy(session, base_url, KEY, SIGNER, **timeouts)


class Answering:
    """Serves one answer, and notes each request's method, path and body."""

    def __init__(self, answer: object, status: int = 200, **headers: str) -> None:
        self.answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.status, self.headers = status, headers
        self.requests: list[tuple[str, str, bytes]] = []

    async def serve(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.headers["User-Agent"] == f"comfydeploy-bot/{__version__}"
        self.requests.append((request.method, request.path_qs, await request.read()))
        return web.Response(body=self.answer, status=self.status, headers=self.headers)


def calls_of(client: ComfyDeploy) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "queue": lambda: client.start_run(NEW_RUN),
        "run": lambda: client.get_run(RUN_ID),
        "cancel": lambda: client.cancel_run(RUN_ID),
        "deployment": lambda: client.describe_deployment(RUN_ID),
        "deployments": client.deployment_ids,
        "log": lambda: client.read_log(RUN_ID),
    }


async def fault(
    session: aiohttp.ClientSession, base_url: str, call: str = "queue", **timeouts: float
) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await calls_of(connect(session, base_url, **timeouts))[call]()
    assert KEY not in f"{caught.value} {caught.value.params}"
    return caught.value
