"""Runs the bot until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal

import aiohttp
import discord

from bot.app import build, metrics_port, start_web, working
from bot.errors import StartupError
from bot.invite import invite_url
from bot.settings import Settings

log = logging.getLogger(__name__)


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises StartupError when it can't begin or Discord turns it away."""
    stop = _stop_signal()
    async with build(settings) as app:
        runner, port = await start_web(app, settings.web_host, settings.web_port)
        log.info("listening on %s:%s", settings.web_host, port)
        try:
            async with metrics_port(app), app.bot:
                await _login(app.bot, settings.discord_token.get_secret_value())
                log.info("invite the bot to a server: %s", invite_url(app.bot.application_id or 0))
                async with working(app):
                    await _until_stopped(app.bot, stop)
        finally:
            await runner.cleanup()
    log.info("stopped")


async def _login(bot: discord.Client, token: str) -> None:
    try:
        await bot.login(token)
    except discord.LoginFailure as error:
        raise StartupError(
            "Discord doesn't accept DISCORD_TOKEN. Copy it anew from the application's page."
        ) from error
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        raise StartupError(
            f"Discord can't be reached ({type(error).__name__}). Is the network up?"
        ) from error


async def _until_stopped(bot: discord.Client, stop: asyncio.Event) -> None:
    connection = asyncio.create_task(bot.connect(), name="gateway")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    done, _ = await asyncio.wait({connection, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if connection in done:
        _explain_end(connection)
        return
    log.info("stopping: no new work, running sends are finished")
    # The gateway goes last: its going would close the HTTP session that running sends use.


def _explain_end(connection: asyncio.Task[None]) -> None:
    """The connection ends by itself only when Discord refuses it for good."""
    error = connection.exception()
    if isinstance(error, discord.PrivilegedIntentsRequired):
        raise StartupError("Discord refuses the bot's intents.") from error
    if error is not None:
        raise StartupError(f"Discord closed the connection for good: {error}") from error


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(name, stop.set)
        except NotImplementedError:  # Windows: KeyboardInterrupt ends the loop instead
            break
    return stop
