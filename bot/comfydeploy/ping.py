"""The ping of `python -m bot check`, which tests whether PUBLIC_URL leads to this bot's webhooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.comfydeploy.webhook_urls import PING_PATH, WebhookSigner

# Returns a request's body, or the HTTP status to answer with if the body can't be read.
ReadBody = Callable[[web.Request], Awaitable[bytes | int]]


def ping_route(
    signer: WebhookSigner, read_body: ReadBody, reached: Callable[[], None] = lambda: None
) -> web.RouteDef:
    """Return the route of the ping, which is a POST with a body, like a webhook.

    The answer proves that the whole ping reached a process with the same secret. `read_body` applies the
    webhooks' limits on size and time, because anyone who saw a ping can send it again. `reached` is called
    for each authentic ping whose body was read.
    """

    async def ping(request: web.Request) -> web.Response:
        nonce = request.match_info["nonce"]
        if not signer.answers_ping(nonce, request.match_info["mac"]):
            return web.Response(status=403)
        body = await read_body(request)
        if isinstance(body, int):
            return web.Response(status=body)
        reached()
        return web.Response(text=signer.pong(nonce, body))

    return web.post(f"{PING_PATH}/{{nonce:[a-z0-9]{{1,40}}}}/{{mac:[^/]{{1,64}}}}", ping)
