"""Check Discord: the token, the clock and permissions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import aiohttp
import discord

from bot.discord_api.channels import install_url, invite_url, lacks
from bot.domain.text import sentence_case
from bot.ops.findings import Finding, Setup, ok, problem, warning

T = TypeVar("T")
TOKEN, CLOCK, SERVERS = "Discord token", "Clock", "Servers"
ERRORS: Final = (discord.DiscordException, aiohttp.ClientError, TimeoutError, OSError)
# discord.py repeats a call for up to half a minute, and waits for rate limits.
_CALL_SECONDS = 30.0
_PAGE = 200  # Discord's maximum
# A Date header has whole seconds, and it took some time to arrive.
_TOLERATED, _HARMFUL = 5.0, 60.0
_CLOCK_REMEDY = "Let the system keep its time: timedatectl set-ntp true."


async def ask(call: Awaitable[T]) -> T:
    """Return Discord's answer to a call. Raises one of ERRORS."""
    return await asyncio.wait_for(call, _CALL_SECONDS)


def reason(error: BaseException) -> str:
    """Describe why a call failed."""
    if isinstance(error, discord.GatewayNotFound) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, discord.HTTPException):
        return f"{error.status} {error.text}".strip()
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "no connection to discord.com: the name can't be resolved"
    if isinstance(error, TimeoutError):
        return f"no connection to discord.com: no answer within {_CALL_SECONDS:g} seconds"
    return f"no connection to discord.com: {type(error).__name__}"


async def log_in(client: discord.Client, token: str) -> tuple[str, int]:
    """Log in to Discord's HTTP API, without the client's `setup_hook`, and without a session of the gateway.

    Return the bot's name and its application's id. Raises one of ERRORS.
    """
    name = (await ask(client.http.static_login(token)))["username"]
    return name, (await ask(client.application_info())).id


async def check_token(setup: Setup) -> AsyncIterator[Finding]:
    try:
        name, setup.application_id = await log_in(
            setup.client, setup.settings.discord_token.get_secret_value()
        )
    except discord.LoginFailure:
        remedy = "Copy it again: https://discord.com/developers/applications > Bot > Reset Token."
        yield problem(TOKEN, "Discord doesn't accept DISCORD_TOKEN.", remedy)
    except ERRORS as error:
        answered = isinstance(error, discord.HTTPException)
        said = f"Discord can't be asked: {reason(error)}" if answered else sentence_case(reason(error))
        yield problem(TOKEN, f"{said}.", "Check the network, and https://discordstatus.com.")
    else:
        yield ok(TOKEN, f"valid, of {name} ({setup.application_id}).")
    if (clock := compare_clock(setup.date, setup.outside.now())) is not None:
        yield clock


def compare_clock(date: str | None, now: datetime) -> Finding | None:
    """Compare the clock with a Date header that just arrived. Return None if there is no valid header."""
    try:
        ahead = (now - parsedate_to_datetime(date or "")).total_seconds()
    except (TypeError, ValueError):
        return None
    if abs(ahead) < _TOLERATED:
        return ok(CLOCK, "it agrees with Discord's.")
    summary = f"it is {abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} Discord's."
    if abs(ahead) < _HARMFUL:
        return warning(CLOCK, summary, _CLOCK_REMEDY)
    return problem(CLOCK, f"{summary} Deadlines, budgets and interactions depend on it.", _CLOCK_REMEDY)


async def check_servers(setup: Setup) -> AsyncIterator[Finding]:
    """Check that the bot is on the configured servers, and that its roles give it the permissions it needs.

    The overwrites of channels, which may take permissions away, are not checked.
    """
    servers: list[Mapping[str, Any]] = []
    try:
        while len(servers) % _PAGE == 0:
            page = await ask(
                setup.client.http.get_guilds(_PAGE, after=int(servers[-1]["id"]) if servers else None)
            )
            servers += page
            if not page:
                break
    except ERRORS as error:
        yield problem(SERVERS, f"the list can't be read: {reason(error)}.", "Try again in a minute.")
        return
    if not servers:
        yield warning(SERVERS, "the bot is on none.", "Invite it with the link below.")
        return
    for finding in _absent(setup, {int(server["id"]) for server in servers}):
        yield finding
    lacking = [
        f"{server['name']} ({server['id']}): {', '.join(missing)}"
        for server in servers
        if (missing := _missing(server))
    ]
    if lacking:
        summary = f"permissions are missing on {len(lacking)} of {len(servers)}."
        remedy = "A server admin grants them to the bot's role: Server Settings > Roles."
        yield warning(SERVERS, summary, remedy, *lacking)
    else:
        yield ok(SERVERS, f"the bot is on {len(servers)}, with every permission that it needs.")


def _missing(server: Mapping[str, Any]) -> list[str]:
    granted = discord.Permissions(int(server.get("permissions") or 0))
    if server.get("owner") or granted.administrator:
        return []
    threads = [] if granted.send_messages_in_threads else ["Send Messages in Threads"]
    return [*lacks(None, granted), *threads]


def _absent(setup: Setup, present: set[int]) -> list[Finding]:
    named = {
        "ALLOWED_GUILD_IDS": setup.settings.allowed_guild_ids or (),
        "COMMAND_GUILD_IDS": setup.settings.command_guild_ids,
    }
    return [
        warning(
            SERVERS,
            f"{name} names servers that the bot is not on: {', '.join(map(str, absent))}.",
            "Invite the bot there, or correct the ids.",
        )
        for name, ids in named.items()
        if (absent := [guild_id for guild_id in ids if guild_id not in present])
    ]


async def show_links(setup: Setup) -> AsyncIterator[Finding]:
    if setup.application_id is not None:
        yield ok("Invite link", invite_url(setup.application_id))
        if setup.settings.allow_user_installs:
            yield ok("Install link", install_url(setup.application_id))
