"""Calls that are expected to go wrong."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot import __version__
from bot.comfydeploy.client import ComfyDeploy
from bot.comfydeploy.wire import WebhookSigner
from bot.domain import errors
from tests.serving import Handler
from tests.unit.factories import made_run

KEY = "sk-very-secret"
RUN_ID = "a54c3a98-5e73-4435-9f53-72c06e4c4e73"
SIGNER = WebhookSigner("a-secret-for-webhooks", "https://bot.example")
NEW_RUN = made_run(key="k", deployment_id=RUN_ID, inputs={"prompt": "a fox", "steps": 20}, gpu="T4")


def connect(session: aiohttp.ClientSession, base_url: str, **timeouts: float) -> ComfyDeploy:
    return ComfyDeploy(session, base_url, KEY, SIGNER, **timeouts)


class Recording:
    """Serves one answer, and notes each request's method, path and body."""

    def __init__(self, answer: object) -> None:
        self.answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.requests: list[tuple[str, str, bytes]] = []

    async def serve(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.headers["User-Agent"] == f"comfydeploy-bot/{__version__}"
        self.requests.append((request.method, request.path_qs, await request.read()))
        return web.Response(body=self.answer)


def answering(status: int, body: bytes, **more: Any) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, **more)

    return handler


def calls_of(client: ComfyDeploy) -> dict[str, Callable[[], Awaitable[object]]]:
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
) -> errors.BackendError:
    with pytest.raises(errors.BackendError) as caught:
        await calls_of(connect(session, base_url, **timeouts))[call]()
    assert KEY not in f"{caught.value} {caught.value.params}"
    return caught.value


STATUSES: list[tuple[int, type[errors.BackendError]]] = [
    (307, errors.BackendRedirected),
    (400, errors.BackendRejected),
    (401, errors.BackendUnauthorized),
    (403, errors.BackendForbidden),
    (404, errors.BackendNotFound),
    (422, errors.BackendInvalid),
    (429, errors.BackendRateLimited),
    (500, errors.BackendServerError),
]
