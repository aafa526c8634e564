"""Runs this process's roles until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import discord

from bot.app import App, build, metrics_port, start_web, working
from bot.config.roles import ALL_ROLES, Role
from bot.config.settings import Settings
from bot.database.coordination import Coordinator, LockHeld, acquire
from bot.delivery.uploads import check_room
from bot.domain.errors import StartLater, StartupError
from bot.gateway.client import GenerateBot
from bot.gateway.permissions import install_url, invite_url

log = logging.getLogger(__name__)
_TOKEN_REFUSED, _SHARDING_REQUIRED = 4004, 4011


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises StartupError when it can't begin, when Discord turns it away for good,
    and when another process took its place."""
    signals = Signals()
    try:
        async with build(settings) as app:
            await _serve(app, signals)
    except (asyncio.CancelledError, Exception) as error:
        # What a start stumbles over that is broken off (a migration, halfway through a table) is no fault.
        if not signals.broke_off:
            raise
        log.debug("the start was broken off: %s", type(error).__name__)
    log.info("stopped")


async def _serve(app: App, signals: Signals) -> None:
    settings = app.settings
    if Role.COURIER in settings.roles:
        check_room()
    runner, port = await start_web(app, settings.web_host, settings.web_port)
    log.info("listening on %s:%s as %s", settings.web_host, port, ", ".join(sorted(settings.roles)))
    try:
        await acquire_role_locks(app.coordinator, settings)
        async with metrics_port(app), _speaking(app), working(app), signals.up(app.read_again):
            await _until_stopped(app, signals.stop)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _speaking(app: App) -> AsyncIterator[None]:
    """Logged in, which takes no gateway; a process that only takes webhooks has nothing to log in."""
    if app.client is None:
        yield
        return
    async with app.client:
        await _login(app.client, app.settings.discord_token.get_secret_value())
        if isinstance(app.client, GenerateBot):
            await _check_starts(app.client, len(app.settings.shards.ids) if app.settings.shards else 1)
        application_id = app.client.application_id or 0
        log.info("invite the bot to a server: %s", invite_url(application_id))
        if app.settings.allow_user_installs:
            log.info("add it to your own account: %s", install_url(application_id))
        yield


async def _login(client: discord.Client, token: str) -> None:
    try:
        await client.login(token)
    except discord.LoginFailure as error:
        raise StartupError(
            "Discord doesn't accept DISCORD_TOKEN. Copy it anew from the application's page."
        ) from error
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        raise StartLater(f"Discord can't be reached ({type(error).__name__}). Is the network up?") from error


async def _check_starts(client: discord.Client, needed: int) -> None:
    """Discord resets the token of a bot that begins more sessions than it may, as one does that ends again
    and again and is started anew each time."""
    try:
        _, _, limits = await client.http.get_bot_gateway()
    except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
        log.warning("Discord does not say how many session starts are left: %s", error)
        return
    if limits["remaining"] < needed:
        minutes = limits["reset_after"] // 60_000 + 1
        raise StartLater(
            f"Discord grants no session start for the next {minutes} minutes, and "
            "would reset the token for one. Find out why the bot was started so often today."
        )


async def _until_stopped(app: App, stop: asyncio.Event) -> None:
    stopping = asyncio.create_task(stop.wait(), name="stop")
    ends: set[asyncio.Future[Any]] = {stopping, app.coordinator.lost}
    connection: asyncio.Task[None] | None = None
    if isinstance(app.client, GenerateBot):
        connection = asyncio.create_task(app.client.connect(), name="gateway")
        ends.add(connection)
    done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if connection is not None and connection in done:
        _explain_end(connection)
        return
    if app.coordinator.lost in done:
        raise StartupError(lock_held_error(app.coordinator.lost.result()))
    log.info("stopping: no new work, running sends are finished")

    # The gateway goes last: its going would close the HTTP session that running sends use.


def _explain_end(connection: asyncio.Task[None]) -> None:
    """The connection ends by itself only when Discord refuses it for good."""
    error = connection.exception()
    if isinstance(error, discord.PrivilegedIntentsRequired):
        raise StartupError("Discord refuses the bot's intents.") from error
    code = error.code if isinstance(error, discord.ConnectionClosed) else None
    if code == _TOKEN_REFUSED:
        raise StartupError(
            "Discord doesn't accept DISCORD_TOKEN any more: it was reset. "
            "Copy it anew from the application's page."
        ) from error
    if code == _SHARDING_REQUIRED:
        raise StartupError(
            "The bot is in too many servers for one connection, or for this SHARD_COUNT. Set SHARD_COUNT "
            "higher: one shard for each 1,000 servers is enough."
        ) from error
    if error is not None:
        raise StartupError(f"Discord closed the connection for good: {error}") from error


class Signals:
    """Heard from the first moment of a start, which may wait long for others.

    Until `up`, a stop cancels the task that made this and `broke_off` says so; afterwards it sets `stop`, and
    the task ends in order.
    A hang-up during the start is kept: whether the file was read before it or after can't be told.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.broke_off = False
        self._starting = asyncio.current_task()
        self._read_again: Callable[[], None] | None = None
        self._hung_up = False
        handlers = {"SIGTERM": self._stop, "SIGINT": self._stop, "SIGHUP": self._hang_up}
        for name, handler in handlers.items():
            try:
                asyncio.get_running_loop().add_signal_handler(getattr(signal, name), handler)
            except (AttributeError, NotImplementedError):  # Windows: KeyboardInterrupt ends the loop instead
                break

    @asynccontextmanager
    async def up(self, read_again: Callable[[], None]) -> AsyncIterator[None]:
        """The start is over. `read_again` is called for each hang-up inside the block."""
        self._starting = None
        self._read_again = read_again
        if self._hung_up:
            read_again()
        try:
            yield
        finally:
            self._read_again = None

    def _stop(self) -> None:
        self.stop.set()
        # Once: what the start had opened is being closed then.
        starting, self._starting = self._starting, None
        if starting is not None:
            self.broke_off = True
            starting.cancel()

    def _hang_up(self) -> None:
        self._hung_up = True
        if self._read_again is not None:
            self._read_again()


_COURIER = "courier"


async def acquire_role_locks(coordinator: Coordinator, settings: Settings) -> None:
    """Raises StartupError when another process has one of them."""
    for name in _places(settings):
        try:
            await acquire(coordinator, name)
        except LockHeld:
            raise StartupError(lock_held_error(name)) from None


def lock_held_error(name: str) -> str:
    """What is wrong and what to do, in a sentence."""
    if name == _COURIER:
        return "Another process is the courier, and with SQLite there can be only one. Stop one of the two."
    return (
        f"Another process over this database has {name} connected to Discord. Stop one of the two, "
        "or give each its own shards with SHARD_COUNT and SHARD_IDS."
    )


def _places(settings: Settings) -> list[str]:
    places = []
    if Role.GATEWAY in settings.roles:
        shards = settings.shards
        # Without sharding there is one connection, which is what Discord calls shard 0 of 1.
        places += [f"shard {number}" for number in (shards.ids if shards is not None else (0,))]
    on_sqlite = settings.database_url.get_secret_value().startswith("sqlite")
    if on_sqlite and Role.COURIER in settings.roles and settings.roles != ALL_ROLES:
        places.append(_COURIER)
    return places
