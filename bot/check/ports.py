"""Whether the bot could listen where the settings say, tried for a moment."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator

from aiohttp import web

from bot.check.finding import Finding, fine, wrong
from bot.errors import StartupError
from bot.settings import Settings
from bot.web import listening, port_remedy

WEB_SERVER = "Web server"


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
            # As it has to be beside the running bot; whose it is the way through PUBLIC_URL tells.
            return fine(WEB_SERVER, f"{where} is in use, as while the bot runs.")
        said = f"{where} can't be used ({cause.strerror})."
        return wrong(WEB_SERVER, said, port_remedy(cause, setting))
