"""The ping of `python -m bot check`, which tests whether PUBLIC_URL leads to this bot's webhooks."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.comfydeploy.webhook_urls import PING_PATH, WebhookSigner


def ping_route(signer: WebhookSigner, reached: Callable[[], None] = lambda: None) -> web.RouteDef:
    """Serve the ping as a POST with a body, like webhooks. The answer shows only that the ping arrived."""

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
