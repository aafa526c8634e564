"""The embedded server: authenticate, parse, record, answer. It never talks to Discord."""

from __future__ import annotations

import asyncio
import logging
import zlib

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.comfy.wire import WireError, parse_webhook
from bot.errors import StoreUnavailable
from bot.logs import run_context
from bot.store.runs import ForeignReport
from bot.tracking.ping import ping_route
from bot.tracking.recorder import Recorder
from bot.tracking.signing import WEBHOOK_PATH, WebhookSigner

log = logging.getLogger(__name__)

# ComfyDeploy itself waits 20 s for an answer; whoever needs longer to send 1 MiB means no good.
BODY_SECONDS = 10.0


class WebhookServer:
    """ComfyDeploy's webhooks, and the signed ping of `python -m bot check` beneath the same path."""

    def __init__(self, signer: WebhookSigner, recorder: Recorder) -> None:
        self._signer = signer
        self._recorder = recorder

    def add_to(self, app: web.Application) -> None:
        address = f"{WEBHOOK_PATH}/{{key:[a-z0-9]{{1,20}}}}/{{mac:[^/]{{1,64}}}}"
        app.router.add_post(address, self._receive)
        # ComfyDeploy's second and third tries arrive as GET with the same body.
        app.router.add_get(address, self._receive, allow_head=False)
        app.router.add_routes([ping_route(self._signer)])

    async def _receive(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        if not self._signer.verify(key, request.match_info["mac"]):
            return web.Response(status=403)
        try:
            body = await self._body(request)
        except TimeoutError:
            return web.Response(status=408)
        except (web.RequestPayloadError, HttpProcessingError, zlib.error):
            # A body that is not what its headers say: broken chunks, `gzip` that is none.
            return web.Response(status=400)
        with run_context(key):
            return await self._record(key, body)

    async def _body(self, request: web.Request) -> bytes:
        """Raises TimeoutError, unless it came along with the head as most do."""
        if request.content.is_eof():
            return await request.read()
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()

    async def _record(self, key: str, body: bytes) -> web.Response:
        try:
            event = parse_webhook(body)
        except WireError as error:
            log.warning("a webhook that can't be read: %s", error)
            return web.Response(status=400)
        try:
            await self._recorder.record_event(key, event.news)
        except KeyError:
            log.warning("a webhook for a run that the store doesn't know")
            return web.Response(status=404)
        except ForeignReport as error:
            log.warning("a webhook for another run: %s", error)
            return web.Response(status=409)
        except StoreUnavailable as error:
            # Not a 2xx, so ComfyDeploy tries again; after its third try, polling finds the event.
            log.warning("a webhook has to wait for the database: %s", error)
            return web.Response(status=503)
        return web.Response(status=204)
