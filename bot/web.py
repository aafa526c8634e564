"""The embedded server's socket."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bot.errors import StartupError


async def start_server(
    app: web.Application, host: str, port: int, *, setting: str = "WEB_PORT"
) -> tuple[web.AppRunner, int]:
    """Returns the port really used. Raises StartupError, naming the `setting` that has the port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        remedy = f"Stop what uses it, or set {setting} to another."
        if isinstance(error, socket.gaierror):
            remedy = "WEB_HOST is the address of one of this machine's own interfaces, or 0.0.0.0 for all."
        raise StartupError(f"Port {port} on {host} can't be used ({error.strerror}). {remedy}") from error
    return runner, runner.addresses[0][1]


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, *, setting: str = "WEB_PORT"
) -> AsyncIterator[int]:
    """Serves inside the block, on the port that it yields. Raises StartupError."""
    runner, used = await start_server(app, host, port, setting=setting)
    try:
        yield used
    finally:
        await runner.cleanup()
