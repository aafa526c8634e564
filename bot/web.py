"""The embedded web server with its health checks. Other modules add the webhooks and metrics."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import discord
from aiohttp import web

from bot.domain.errors import StartupError, StoreUnavailable
from bot.store import Store

# Webhooks are the largest request bodies.
MAX_BODY = 1024 * 1024
# The body of `/healthz`.
HEALTHY = "ok\n"


def application(store: Store, gateway: discord.Client | None) -> web.Application:
    """Build an application with the health checks `/healthz`, which always succeeds, and `/readyz`.

    The process is ready if the database answers and `gateway` is connected to Discord. In a process without
    the gateway role, `gateway` is None and isn't needed.
    """

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text=HEALTHY)

    async def readyz(_request: web.Request) -> web.Response:
        with suppress(StoreUnavailable):
            if gateway is None or gateway.is_ready():
                await store.database.ping()
                return web.Response(text="ready\n")
        return web.Response(status=503, text="not ready\n")

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, *, setting: str = "WEB_PORT"
) -> AsyncIterator[int]:
    """Serve inside the block and yield the port in use.

    Raises StartupError if the server can't listen on this host and port. The error says whether to change
    WEB_HOST or `setting`, the name of the setting with the port.
    """
    # No client needs compressed bodies. Decompressing them would cost work before authentication.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2, auto_decompress=False)
    await runner.setup()
    try:
        await _start(runner, host, port, setting)
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _start(runner: web.AppRunner, host: str, port: int, setting: str) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        remedy = port_remedy(error, setting)
        raise StartupError(f"Port {port} on {host} can't be used ({error.strerror}). {remedy}") from error


def port_remedy(error: OSError, setting: str) -> str:
    """Return a sentence that says how to fix a port that can't be opened.

    `setting` is the name of the setting with the port.
    """
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "WEB_HOST is the address of one of this machine's own interfaces, or 0.0.0.0 for all."
    return f"Stop what uses it, or set {setting} to another."
