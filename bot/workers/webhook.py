"""The embedded server: authenticate, parse, record, answer. It never talks to Discord."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.comfydeploy.reports import parse_webhook
from bot.comfydeploy.webhook_urls import PING_PATH, WEBHOOK_PATH, WebhookSigner
from bot.comfydeploy.wire import WireError
from bot.config.logs import run_context
from bot.domain.errors import StoreUnavailable
from bot.metrics import Metrics
from bot.store.runs import ForeignRunReport
from bot.workers.events import EventRecorder

log = logging.getLogger(__name__)
# ComfyDeploy itself waits 20 s for an answer; whoever needs longer to send 1 MiB means no good.
BODY_SECONDS = 10.0
# nginx's own status for a caller who is gone; nobody receives it.
HUNG_UP = 499


class WebhookServer:
    """ComfyDeploy's webhooks, and the signed ping of `python -m bot check` beneath the same path."""

    def __init__(self, signer: WebhookSigner, recorder: EventRecorder, metrics: Metrics) -> None:
        self._signer = signer
        self._recorder = recorder
        self._metrics = metrics

    def add_to(self, app: web.Application) -> None:
        address = f"{WEBHOOK_PATH}/{{key:[a-z0-9]{{1,20}}}}/{{mac:[^/]{{1,64}}}}"
        app.router.add_post(address, self._receive)
        # ComfyDeploy's second and third tries arrive as GET with the same body.
        app.router.add_get(address, self._receive, allow_head=False)
        app.router.add_routes([ping_route(self._signer)])

    async def _receive(self, request: web.Request) -> web.Response:
        """The answer is its status alone, and counted."""
        try:
            status = await self._take(request)
        except Exception:
            self._metrics.webhook(500)
            raise
        self._metrics.webhook(status)
        return web.Response(status=status)

    async def _take(self, request: web.Request) -> int:
        key = request.match_info["key"]
        if not self._signer.verify(key, request.match_info["mac"]):
            return 403
        try:
            # Most bodies came along with their head.
            body = await (request.read() if request.content.is_eof() else self._slow_body(request))
        except TimeoutError:
            return 408
        except web.HTTPRequestEntityTooLarge:
            return 413
        except OSError:
            return HUNG_UP
        except (web.RequestPayloadError, HttpProcessingError):  # broken chunks
            return 400
        with run_context(key):
            return await self._record(key, body)

    async def _slow_body(self, request: web.Request) -> bytes:
        """Raises TimeoutError."""
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()

    async def _record(self, key: str, body: bytes) -> int:
        try:
            report = parse_webhook(body)
        except WireError as error:
            log.warning("a webhook that can't be read: %s", error)
            return 400
        try:
            await self._recorder.record(key, report)
        except KeyError:
            log.warning("a webhook for a run that the store doesn't know")
            return 404
        except ForeignRunReport as error:
            log.warning("a webhook for another run: %s", error)
            return 409
        except StoreUnavailable as error:
            # Not a 2xx, so ComfyDeploy tries again; after its third try, polling finds the event.
            log.warning("a webhook has to wait for the database: %s", error)
            return 503
        return 204


def ping_route(signer: WebhookSigner, reached: Callable[[], None] = lambda: None) -> web.RouteDef:
    """By POST with a body, as the webhooks come; it tells nothing but that it was reached."""

    async def ping(request: web.Request) -> web.Response:
        nonce = request.match_info["nonce"]
        if not signer.answers_ping(nonce, request.match_info["mac"]):
            return web.Response(status=403)
        try:
            body = await request.read()
        except (OSError, web.RequestPayloadError, HttpProcessingError):  # hung up; broken chunks
            return web.Response(status=400)
        reached()
        return web.Response(text=signer.pong(nonce, body))

    return web.post(f"{PING_PATH}/{{nonce:[a-z0-9]{{1,40}}}}/{{mac:[^/]{{1,64}}}}", ping)
