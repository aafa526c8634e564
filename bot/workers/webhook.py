"""Authenticate, record and answer the backend's webhooks."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.config.logs import run_context
from bot.context import App
from bot.domain.errors import BackendBadReply, RunGone, StoreUnavailable
from bot.domain.runs import RunReport
from bot.store.runs import ForeignRunReport
from bot.workers.reports import ReportRecorder

log = logging.getLogger(__name__)
# A backend waits longer than this for its answer. A caller that needs this long to send 1 MiB isn't the
# backend.
BODY_SECONDS = 10.0
# nginx's status for a caller that has disconnected; nobody receives it.
HUNG_UP = 499


async def read_body(request: web.Request) -> bytes | int:
    """Return a request's body, or the status code if the body is too slow, too large or can't be read."""
    try:
        if request.content.is_eof():  # most bodies arrive together with their headers
            return await request.read()
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        return 408
    except web.HTTPRequestEntityTooLarge:
        return 413
    except OSError:
        return HUNG_UP
    except (web.RequestPayloadError, HttpProcessingError):  # broken chunks
        return 400


class WebhookServer:
    """Handles the backend's webhooks over HTTP."""

    def __init__(self, app: App, recorder: ReportRecorder) -> None:
        self._backend = app.backend
        self._recorder = recorder
        self._metrics = app.metrics

    def add_to(self, app: web.Application) -> None:
        """Register the routes."""
        for method, route in self._backend.webhooks:
            app.router.add_route(method, route, self._receive)

    async def _receive(self, request: web.Request) -> web.Response:
        try:
            status = await self._take(request)
        except Exception:
            self._metrics.webhook(500)
            raise
        self._metrics.webhook(status)
        return web.Response(status=status)

    async def _take(self, request: web.Request) -> int:
        key = request.match_info["key"]
        if not self._backend.is_webhook_authentic(key, request.match_info["mac"]):
            return 403
        body = await read_body(request)
        if isinstance(body, int):
            return body
        try:
            report = self._backend.read_webhook(body)
        except BackendBadReply as error:
            log.warning("can't read a webhook: %s", error, extra={"run": key})
            return 400
        # Most webhooks, several a second of each run.
        if self._recorder.buffer(key, report):
            return 204
        with run_context(key):
            return await self._record(key, report)

    async def _record(self, key: str, report: RunReport) -> int:
        try:
            await self._recorder.record(key, report)
        except RunGone:
            log.warning("received a webhook for a run that the store doesn't know")
            return 404
        except ForeignRunReport as error:
            log.warning("received a webhook for another run: %s", error)
            return 409
        except StoreUnavailable as error:
            # The backend retries after any status but a 2xx. When it gives up, polling finds the event.
            log.warning("can't store a webhook until the database is back: %s", error)
            return 503
        return 204
