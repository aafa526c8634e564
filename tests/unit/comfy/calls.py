"""Calls that are expected to go wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.comfydeploy.client import ComfyClient
from bot.comfydeploy.wire import QueueCall
from bot.domain.errors import (
    ComfyError,
    ComfyForbidden,
    ComfyInvalid,
    ComfyNotFound,
    ComfyRateLimited,
    ComfyRedirected,
    ComfyRejected,
    ComfyServerError,
    ComfyUnauthorized,
)
from tests.serving import Handler

KEY = "sk-very-secret"
RUN_ID = "a54c3a98-5e73-4435-9f53-72c06e4c4e73"
CALL = QueueCall(
    deployment_id=RUN_ID, inputs={"prompt": "a fox", "steps": 20}, webhook="https://b/w/k/m", gpu="T4"
)


def answering(status: int, body: bytes, **more: Any) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, **more)

    return handler


async def fault(
    session: aiohttp.ClientSession, base_url: str, call: str = "queue", **timeouts: float
) -> ComfyError:
    client = ComfyClient(session, base_url, KEY, **timeouts)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "queue": lambda: client.queue(CALL),
        "run": lambda: client.run(RUN_ID),
        "cancel": lambda: client.cancel(RUN_ID),
        "deployment": lambda: client.deployment(RUN_ID),
        "deployments": client.deployments,
        "upload": lambda: client.upload("a.png", "image/png", b"x"),
    }
    with pytest.raises(ComfyError) as caught:
        await calls[call]()
    assert KEY not in f"{caught.value} {caught.value.params}"
    return caught.value


STATUSES: list[tuple[int, type[ComfyError]]] = [
    (307, ComfyRedirected),
    (400, ComfyRejected),
    (401, ComfyUnauthorized),
    (403, ComfyForbidden),
    (404, ComfyNotFound),
    (422, ComfyInvalid),
    (429, ComfyRateLimited),
    (500, ComfyServerError),
]
