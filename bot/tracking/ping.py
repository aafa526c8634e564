"""The way to try PUBLIC_URL: a call that only the bot's own `check` can make, and only the bot can answer."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.comfydeploy.webhook_urls import PING_PATH, WebhookSigner


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
