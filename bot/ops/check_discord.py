"""Check Discord: the token, the clock and permissions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import aiohttp
import discord

from bot.config.settings import Settings
from bot.discord_api.channels import install_url, invite_url, lacks
from bot.domain.errors import reason_of
from bot.domain.text import sentence_case
from bot.ops.findings import Finding, ok, problem, warning
from bot.outside import Outside

T = TypeVar("T")
TOKEN_REFUSED = "Discord doesn't accept DISCORD_TOKEN."  # noqa: S105  # no secret
TOKEN, CLOCK, SERVERS = "Discord token", "Clock", "Servers"
ERRORS: Final = (discord.DiscordException, aiohttp.ClientError, TimeoutError, OSError)
# discord.py repeats a call for up to half a minute, and waits for rate limits.
_CALL_SECONDS = 30.0
_PAGE = 200  # Discord's maximum
# A Date header has whole seconds, and it took some time to arrive.
_TOLERATED, _HARMFUL = 5.0, 60.0
_CLOCK_REMEDY = "Let the system keep its time: timedatectl set-ntp true."


async def check_discord(settings: Settings, outside: Outside) -> AsyncIterator[Finding]:
    """Check the token, the clock and the servers, and name the links that invite the bot.

    This logs in to Discord's HTTP API, without the client's `setup_hook` or a session of the gateway.
    """
    dates: list[str | None] = []

    async def note_date(_: object, __: object, params: aiohttp.TraceRequestEndParams) -> None:
        dates.append(params.response.headers.get("Date"))

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(note_date)
    async with discord.Client(intents=discord.Intents(guilds=True), http_trace=trace) as client:
        application_id: int | None = None
        try:
            account = await _ask(client.http.static_login(settings.discord_token.get_secret_value()))
            application_id = (await _ask(client.application_info())).id
        except discord.LoginFailure:
            remedy = "Copy it again: https://discord.com/developers/applications > Bot > Reset Token."
            yield problem(TOKEN, TOKEN_REFUSED, remedy)
        except ERRORS as error:
            answered = isinstance(error, discord.HTTPException)
            said = f"Discord can't be asked: {_reason(error)}" if answered else sentence_case(_reason(error))
            remedy = "Check the network, and https://discordstatus.com."
            yield problem(TOKEN, f"{said}.", remedy, passing=True)
        else:
            yield ok(TOKEN, f"valid, of {account['username']} ({application_id}).")
        if dates and (clock := compare_clock(dates[-1], outside.now())) is not None:
            yield clock
        if application_id is None:
            return
        for finding in await _check_servers(client, settings):
            yield finding
    yield ok("Invite link", invite_url(application_id))
    if settings.allow_user_installs:
        yield ok("Install link", install_url(application_id))


async def _ask(call: Awaitable[T]) -> T:
    """Return Discord's answer to a call. Raises one of ERRORS."""
    return await asyncio.wait_for(call, _CALL_SECONDS)


def _reason(error: BaseException) -> str:
    if isinstance(error, discord.HTTPException):
        # Without a code, the text repeats the status or is the page of a proxy.
        return f"{error.status} {error.text if error.code else error.response.reason}".strip()
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "no connection to discord.com: the name can't be resolved"
    if isinstance(error, TimeoutError):
        return f"no connection to discord.com: no answer within {_CALL_SECONDS:g} seconds"
    return f"no connection to discord.com: {reason_of(error)}"


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


async def _check_servers(client: discord.Client, settings: Settings) -> list[Finding]:
    """Check that the bot is on the configured servers, and that its roles give it the permissions it needs.

    The overwrites of channels, which may take permissions away, are not checked.
    """
    servers: list[Mapping[str, Any]] = []
    page: Sequence[Mapping[str, Any]] = ()
    try:
        while len(page) == _PAGE or not servers:
            last = int(servers[-1]["id"]) if servers else None
            page = await _ask(client.http.get_guilds(_PAGE, after=last))
            servers += page
            if not servers:
                return [warning(SERVERS, "the bot is on none.", "Invite it with the link below.")]
    except ERRORS as error:
        summary = f"the list can't be read: {_reason(error)}."
        return [problem(SERVERS, summary, "Try again in a minute.", passing=True)]
    found: list[Finding] = []
    present = {int(server["id"]) for server in servers}
    if absent := [str(each) for each in settings.allowed_guild_ids or () if each not in present]:
        summary = f"ALLOWED_GUILD_IDS names servers that the bot is not on: {', '.join(absent)}."
        found.append(warning(SERVERS, summary, "Invite the bot there, or correct the ids."))
    lacking = [
        f"{server['name']} ({server['id']}): {', '.join(missing)}"
        for server in servers
        if (missing := _missing(server))
    ]
    if lacking:
        summary = f"permissions are missing on {len(lacking)} of {len(servers)}."
        remedy = "A server admin grants them to the bot's role: Server Settings > Roles."
        return [*found, warning(SERVERS, summary, remedy, *lacking)]
    return [*found, ok(SERVERS, f"the bot is on {len(servers)}, with every permission that it needs.")]


def _missing(server: Mapping[str, Any]) -> list[str]:
    granted = discord.Permissions(int(server.get("permissions") or 0))
    if server.get("owner") or granted.administrator:
        return []
    threads = [] if granted.send_messages_in_threads else ["Send Messages in Threads"]
    return [*lacks(None, granted), *threads]
