"""Whether the bot could listen where the settings say, tried for a moment."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from yarl import URL

from bot.check.finding import Finding, fine, warning, wrong
from bot.config.settings import Settings
from bot.domain.errors import StartupError
from bot.web import HEALTHY, listening, port_remedy

WEB_SERVER = "Web server"
# What listens on every interface is asked on this machine's own.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens here


async def listens(settings: Settings) -> AsyncIterator[Finding]:
    """One for each port that the bot would open."""
    yield await _port(settings.web_host, settings.web_port, "WEB_PORT")
    if settings.metrics_port is not None:
        yield await _port(settings.web_host, settings.metrics_port, "METRICS_PORT")


async def _port(host: str, port: int, setting: str) -> Finding:
    where = f"{setting} {port} on {host}"
    try:
        async with listening(web.Application(), host, port, setting=setting):
            return fine(WEB_SERVER, f"{where} is free.")
    except StartupError as error:
        cause = error.__cause__
        if not isinstance(cause, OSError):
            raise
        if cause.errno == errno.EADDRINUSE:
            # Where the metrics have a port of their own, nothing else is there to be asked.
            if setting == "METRICS_PORT" or await _is_a_bot(host, port):
                return fine(WEB_SERVER, f"{where} is in use, as while the bot runs.")
            said = f"{where} is in use by something that doesn't answer as the bot does."
            return warning(WEB_SERVER, said, port_remedy(cause, setting))
        said = f"{where} can't be used ({cause.strerror})."
        return wrong(WEB_SERVER, said, port_remedy(cause, setting))


async def _is_a_bot(host: str, port: int) -> bool:
    """Whether `/healthz` answers as ours. Whether it is this bot, the way through PUBLIC_URL tells."""
    url = URL.build(scheme="http", host=_EVERYWHERE.get(host, host), port=port, path="/healthz")
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            return answer.status == 200 and await answer.content.read(100) == HEALTHY.encode()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
