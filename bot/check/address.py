"""Whether PUBLIC_URL leads to this bot's endpoint, by a call that only the bot can make and answer."""

from __future__ import annotations

import secrets
import string
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from bot.check.finding import Finding, fine, warning, wrong
from bot.comfydeploy.webhook_urls import WebhookSigner
from bot.domain.errors import StartupError
from bot.web import listening
from bot.workers.webhook import ping_route

SUBJECT = "PUBLIC_URL"
_LETTERS = string.ascii_lowercase + string.digits
_LOSES = (301, 302, 303)  # followed with a GET without body, whose 200 counts as delivered
_KEEPS = (307, 308)
_PROXY_ANSWERS = (404, 502, 503, 504, 530)
_ELSEWHERE = (
    "Where the bot's own machine can't reach its public address, run the check elsewhere with the same .env."
)


@dataclass(slots=True)
class Endpoint:
    """This process's own. Not `served`: somebody else has the port, the running bot, we hope."""

    served: bool = False
    reached: bool = False

    def reach(self) -> None:
        self.reached = True


@asynccontextmanager
async def endpoint(signer: WebhookSigner, host: str, port: int) -> AsyncIterator[Endpoint]:
    """Serves for the moment, where the port is free."""
    here = Endpoint()
    app = web.Application()
    app.router.add_routes([ping_route(signer, here.reach)])
    async with AsyncExitStack() as stack:
        with suppress(StartupError):
            await stack.enter_async_context(listening(app, host, port))
            here.served = True
        yield here


async def round_trip(signer: WebhookSigner, public_url: str, here: Endpoint, port: int) -> Finding:
    """Out through PUBLIC_URL, and back to a process that has the secret."""
    nonce = "".join(secrets.choice(_LETTERS) for _ in range(24))
    body = secrets.token_bytes(4096)
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
            session.post(signer.ping_url(public_url, nonce), data=body, allow_redirects=False) as answer,
        ):
            text = await answer.content.read(100)
            status, location = answer.status, answer.headers.get("Location", "")
    except aiohttp.ClientConnectorCertificateError:
        remedy = "Renew it, or let the proxy fetch one: ComfyDeploy refuses what a browser would refuse."
        return wrong(SUBJECT, f"{public_url} has no valid certificate.", remedy)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        remedy = f"Check the name, the proxy or tunnel, and the firewall. {_ELSEWHERE}"
        return wrong(SUBJECT, f"{public_url} can't be reached ({type(error).__name__}).", remedy)
    if text.decode(errors="replace") == signer.pong(nonce, body) and status == 200:
        by = "this check" if here.reached else "the running bot"
        return fine(SUBJECT, f"{public_url} leads here; {by} answered.")
    return _unanswered(public_url, status, location, served=here.served, port=port)


def _unanswered(public_url: str, status: int, location: str, *, served: bool, port: int) -> Finding:
    if status in _LOSES or status in _KEEPS:
        return _redirected(public_url, status, location)
    if status == 403:
        remedy = "Set the same WEBHOOK_SECRET or DATABASE_URL here, or point PUBLIC_URL to this bot."
        return wrong(SUBJECT, f"{public_url} leads to a bot with another webhook secret.", remedy)
    if not served:
        said = f"{public_url} answers {status}, and port {port} is taken by something that is not this bot."
        return wrong(SUBJECT, said, "Stop what uses the port, or set WEB_PORT to another.")
    said = f"{public_url} answers {status}, but not from here."
    if status in _PROXY_ANSWERS:
        remedy = f"Let the proxy or tunnel pass /webhooks/comfydeploy/ on to port {port} of this machine."
        return wrong(SUBJECT, said, remedy)
    return wrong(SUBJECT, said, f"Something else answers there: let it pass POST requests on to port {port}.")


def _redirected(public_url: str, status: int, location: str) -> Finding:
    target = _base(location, public_url)
    remedy = (
        f"Set PUBLIC_URL to {target}, if that is the bot."
        if target
        else "Let the proxy answer, not redirect."
    )
    if status in _LOSES:
        said = f"{public_url} redirects ({status}): every webhook would be lost."
        return wrong(SUBJECT, said, remedy)
    return warning(SUBJECT, f"{public_url} redirects ({status}): each webhook makes two calls.", remedy)


def _base(location: str, public_url: str) -> str:
    """The new PUBLIC_URL, where only scheme and host have changed."""
    try:
        old, new = urlsplit(public_url), urlsplit(location)
    except ValueError:
        return ""
    if (
        new.scheme not in ("http", "https")
        or not new.netloc
        or (new.scheme, new.netloc) == (old.scheme, old.netloc)
    ):
        return ""
    return f"{new.scheme}://{new.netloc}{old.path}"
