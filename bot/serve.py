"""Run this process's roles until it is stopped."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import discord

from bot import __version__
from bot.app import Process, build, lock_held, metrics_port, running_workers
from bot.config.fields import CALLING_ROLES, Role
from bot.config.settings import Settings
from bot.discord_api.channels import install_url, invite_url
from bot.domain.errors import StartLater, StartupError, reason_of
from bot.effects import Effects
from bot.gateway.client import GenerateBot, missing_starts
from bot.media.download import require_temporary_folder
from bot.web import listening

log = logging.getLogger(__name__)
_TOKEN_REFUSED, _SHARDING_REQUIRED = 4004, 4011
# How long current work may take after SIGTERM. Docker sends SIGKILL ten seconds after SIGTERM, and the
# connections have to be closed before that.
_STOP_SECONDS = 5.0


async def serve(settings: Settings, effects: Effects) -> None:
    """Run until SIGTERM or SIGINT, which cancel this task once. SIGHUP rereads deployments.toml.

    Raises StartupError if startup fails, if Discord refuses the bot permanently, or if another process took
    over one of its locks. Raises StoreUnavailable if the database doesn't respond at startup.
    """
    log.info("comfydeploy-bot %s starts", __version__)
    task, stopping, hung_up = asyncio.current_task(), asyncio.Event(), asyncio.Event()

    def stop() -> None:
        # Not again: the second time, resources are already being closed.
        if task is not None and not stopping.is_set():
            stopping.set()
            task.cancel()

    # A SIGHUP during the start is obeyed after it, since deployments.toml may already have been read.
    for name, handler in (("SIGTERM", stop), ("SIGINT", stop), ("SIGHUP", hung_up.set)):
        _on_signal(name, handler)
    try:
        async with build(settings, effects) as process:
            await _serve(process, hung_up)
    except (asyncio.CancelledError, Exception) as error:
        # Errors of an interrupted startup, such as a cancelled migration, are not failures.
        if not stopping.is_set():
            raise
        log.debug("interrupted", exc_info=error)
    log.info("stopped")


def _on_signal(name: str, handler: Callable[[], None]) -> None:
    # On Windows the event loop supports no signal handlers: KeyboardInterrupt ends it instead.
    with suppress(AttributeError, NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(getattr(signal, name), handler)


async def _serve(process: Process, hung_up: asyncio.Event) -> None:
    settings = process.app.settings
    if Role.MESSENGER in settings.roles:
        require_temporary_folder()
    async with listening(process.web, settings.web_host, settings.web_port) as port:
        log.info("listening on %s:%s as %s", settings.web_host, port, ", ".join(sorted(settings.roles)))
        async with (
            metrics_port(process),
            # Entered before the workers, so left after them: closing the client ends the HTTP session that
            # the messenger uses.
            _logged_in(process),
            running_workers(process, _STOP_SECONDS),
        ):
            _on_signal("SIGHUP", process.request_reload)
            if hung_up.is_set():
                process.request_reload()
            # What was made so far lives as long as the process. Each full garbage collection would go through
            # all of it, and stop the event loop for a tenth of a second.
            gc.collect()
            gc.freeze()
            await _until_stopped(process)


@asynccontextmanager
async def _logged_in(process: Process) -> AsyncIterator[None]:
    """Stay logged in to Discord's HTTP API inside the block, if this process calls Discord.

    Raises StartupError if Discord doesn't accept the token, and StartLater if the bot can't start now.
    """
    if not process.app.settings.roles & CALLING_ROLES:
        yield
        return
    async with process.client:
        try:
            await process.client.login(process.app.settings.discord_token.get_secret_value())
        except discord.LoginFailure as error:
            raise StartupError(
                "Discord doesn't accept DISCORD_TOKEN. Copy it again from the application's page."
            ) from error
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            reason = reason_of(error)
            if isinstance(error, discord.HTTPException):
                reason = f"it answers {error.status}"
            raise StartLater(f"Discord can't be reached ({reason}). Is the network up?") from error
        if isinstance(process.client, GenerateBot):
            await _check_session_starts(process.client, len(process.app.settings.shards))
        application_id = process.client.application_id or 0
        log.info("invite the bot to a server: %s", invite_url(application_id))
        if process.app.settings.allow_user_installs:
            log.info("add the bot to your own account: %s", install_url(application_id))
        yield


async def _check_session_starts(client: discord.Client, shards: int) -> None:
    """Raise StartLater if too few session starts are left.

    Discord resets the token of a bot that exceeds the limit, for example one that keeps crashing and
    restarting.
    """
    try:
        _, _, limits = await client.http.get_bot_gateway()
    except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
        log.warning("can't read the session start limit: %s", error)
        return
    minutes = missing_starts(limits, shards)
    if minutes is not None:
        raise StartLater(
            f"Discord grants no session start for the next {minutes} minutes, and "
            "would reset the token for one. Find out why the bot was started so often today."
        )


async def _until_stopped(process: Process) -> None:
    """Wait until this task is cancelled. Raises StartupError if Discord or another process ends the bot."""
    ends: set[asyncio.Future[Any]] = {process.coordinator.lost}
    connection: asyncio.Task[None] | None = None
    if isinstance(process.client, GenerateBot):
        connection = asyncio.create_task(process.client.connect(), name="gateway")
        ends.add(connection)
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        process.coordinator.announce_end()
        log.info("stopping: finishing the messages that are under way")
        return
    if connection is not None and connection.done():
        _explain_end(connection.exception())
    else:
        raise lock_held(process.coordinator.lost.result())


def _explain_end(error: BaseException | None) -> None:
    """Raise a StartupError that says why the gateway connection ended, unless it ended without an error.

    discord.py reconnects after temporary errors, so the connection ends only if Discord refuses the bot.
    """
    if isinstance(error, discord.PrivilegedIntentsRequired):
        raise StartupError("Discord refuses the bot's intents.") from error
    code = error.code if isinstance(error, discord.ConnectionClosed) else None
    if code == _TOKEN_REFUSED:
        raise StartupError(
            "Discord doesn't accept DISCORD_TOKEN any more: it was reset. "
            "Copy it again from the application's page."
        ) from error
    if code == _SHARDING_REQUIRED:
        raise StartupError(
            "The bot is in too many servers for one connection, or for this SHARD_COUNT. Set SHARD_COUNT "
            "higher: one shard for each 1,000 servers is enough."
        ) from error
    if error is not None:
        raise StartupError(f"Discord closed the connection for good: {error}") from error
