"""Check ComfyDeploy and Discord: the key and the deployments, the token, the clock and permissions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

import aiohttp
import discord

from bot.comfydeploy.client import ComfyDeploy
from bot.config.settings import Settings
from bot.deployments.catalogue import CAUSES, Catalogue
from bot.deployments.command_plan import MAX_COMMAND_SIZE, CommandPlan
from bot.deployments.model import Deployment, describes_itself
from bot.deployments.schema import DeploymentSettings
from bot.discord_api.channels import NEEDED_PERMISSIONS, install_url, invite_url, lacks
from bot.domain.backend import NO_RUN, Backend
from bot.domain.errors import (
    BackendBadReply,
    BackendCrashed,
    BackendError,
    BackendNotFound,
    BackendRedirected,
    BackendServerError,
    BackendUnauthorized,
    BackendUnreachable,
    StartLater,
    StartupError,
    reason_of,
)
from bot.domain.text import sentence_case
from bot.effects import Effects

T = TypeVar("T")
# Returns the channels of a server in which the bot is to post, with what they are.
Named = Callable[[int], Awaitable[Mapping[int, str]]]
_VIEW = NEEDED_PERMISSIONS["view_channel"]
KEY, DEPLOYMENT, COMMAND = "ComfyDeploy key", "Deployment", "Options"
KEY_REFUSED = "ComfyDeploy doesn't accept COMFYDEPLOY_API_KEY."
UNKNOWN_ID = "the account of COMFYDEPLOY_API_KEY has no deployment with this id."
_WITHOUT = "To start without its answer, describe the deployment in full in deployments.toml."
TOKEN_REFUSED = "Discord doesn't accept DISCORD_TOKEN."  # noqa: S105  # no secret
TOKEN, CLOCK, SERVERS = "Discord token", "Clock", "Servers"
ERRORS: Final = (discord.DiscordException, aiohttp.ClientError, TimeoutError, OSError)
# discord.py repeats a call for up to half a minute, and waits for rate limits.
_CALL_SECONDS = 30.0
_PAGE = 200  # Discord's maximum
# A Date header has whole seconds, and it took some time to arrive.
_TOLERATED, _HARMFUL = 5.0, 60.0
_CLOCK_REMEDY = "Let the system keep its time: timedatectl set-ntp true."


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check; `remedy` and `lines` (a table or list) are printed below it.

    A `passing` error may end by itself, because a service didn't respond.
    """

    level: Level
    subject: str
    summary: str
    remedy: str = ""
    lines: tuple[str, ...] = ()
    passing: bool = False

    def __str__(self) -> str:
        head = f"{self.level:<8} {self.subject}: {self.summary}"
        remedy = [f"Remedy: {self.remedy}"] if self.remedy else []
        return "\n         ".join([head, *remedy, *self.lines])


def ok(subject: str, summary: str, *lines: str) -> Finding:
    return Finding(Level.OK, subject, summary, lines=lines)


def warning(subject: str, summary: str, remedy: str, *lines: str) -> Finding:
    return Finding(Level.WARNING, subject, summary, remedy, lines)


def problem(subject: str, summary: str, remedy: str, *lines: str, passing: bool = False) -> Finding:
    return Finding(Level.ERROR, subject, summary, remedy, lines, passing)


async def check_key(backend: ComfyDeploy) -> Finding:
    try:
        await backend.get_run(NO_RUN)
    except BackendUnauthorized:
        remedy = "Create an API key in ComfyDeploy's dashboard and copy it into COMFYDEPLOY_API_KEY."
        return problem(KEY, KEY_REFUSED, remedy)
    except BackendRedirected:
        remedy = "Set COMFYDEPLOY_API_URL to the API's own address."
        return problem(KEY, "COMFYDEPLOY_API_URL redirects, which the bot never follows.", remedy)
    except (BackendNotFound, BackendBadReply) as error:
        said = str(error)
        # Any web server responds with 404, but only ComfyDeploy says what it didn't find.
        if isinstance(error, BackendNotFound) and '"detail"' in said and '"Not Found"' not in said:
            return ok(KEY, "ComfyDeploy accepts it.")
        remedy = "Set COMFYDEPLOY_API_URL to the API's own address, which usually ends in /api."
        return problem(KEY, f"COMFYDEPLOY_API_URL doesn't lead to ComfyDeploy's API ({error}).", remedy)
    except BackendUnreachable as error:
        remedy = "Check COMFYDEPLOY_API_URL and the network."
        return problem(KEY, f"ComfyDeploy can't be reached ({_reason(error)}).", remedy, passing=True)
    except BackendError as error:
        return warning(
            KEY, f"ComfyDeploy gives no clear answer ({_reason(error)}).", "Try again in a minute."
        )
    return warning(KEY, "ComfyDeploy describes a run that can't exist.", "Check COMFYDEPLOY_API_URL.")


def _reason(error: BackendError) -> str:
    """Return the text of an error without the call, which only the log needs."""
    return re.sub(r"^[A-Z]+ /\S*: ", "", str(error))


async def check_deployments(
    configured: Sequence[DeploymentSettings], catalogue: Catalogue, backend: Backend
) -> list[Finding]:
    """Load the deployments. Return a finding for each, and for each mistake that keeps them from loading."""
    refused: StartupError | None = None
    try:
        await catalogue.load()
    except StartupError as error:
        refused = error
    found = [
        _deployment(each, catalogue, await _is_unknown(each, catalogue, backend))
        for each in configured
        # What keeps them all from loading is told below.
        if refused is None or each.deployment_id in catalogue.faults
    ]
    if catalogue.all():
        plan = catalogue.plan
        size = f"{plan.size:,} of Discord's {MAX_COMMAND_SIZE:,} characters"
        found.append(ok(COMMAND, f"/{plan.name} takes {size}."))
    if refused is not None and not any(finding.level is Level.ERROR for finding in found):
        passing = isinstance(refused, StartLater)
        found += [
            problem(COMMAND, each, "Correct deployments.toml.", passing=passing) for each in refused.mistakes
        ]
    return found


async def _is_unknown(settings: DeploymentSettings, catalogue: Catalogue, backend: Backend) -> bool:
    """Return whether the account has no deployment with this id.

    For such an id ComfyDeploy responds with 500, as in an outage, but then it responds to other calls.
    """
    fault = catalogue.faults.get(settings.deployment_id)
    if not isinstance(fault, BackendServerError) or isinstance(fault, BackendCrashed):
        return False
    try:
        await backend.ping()
    except BackendError:
        return False
    return True


def _deployment(settings: DeploymentSettings, catalogue: Catalogue, unknown: bool) -> Finding:
    where = f"{settings.name} ({settings.deployment_id})"
    fault, deployment = catalogue.faults.get(settings.deployment_id), catalogue.get(settings.name)
    lines: tuple[str, ...] = ()
    if deployment is not None:
        lines = (*deployment.warnings, f"options: {option_names(deployment, catalogue.plan)}")
    if unknown:
        summary = f"{where}: {UNKNOWN_ID}"
        return problem(DEPLOYMENT, summary, "Copy the id from ComfyDeploy's dashboard.", *lines)
    if fault is not None:
        reason = f"ComfyDeploy doesn't describe it ({_reason(fault)})."
        if deployment is None:
            summary = f"{where} is not offered: {reason}"
            return problem(DEPLOYMENT, summary, _remedy(fault), passing=fault.passing)
        source = "deployments.toml alone" if describes_itself(settings) else "what ComfyDeploy said earlier"
        return warning(DEPLOYMENT, f"{where} is offered from {source}: {reason}", _remedy(fault), *lines)
    if deployment is None:
        return problem(DEPLOYMENT, f"{where} is not offered.", "Correct it in deployments.toml.")
    if deployment.warnings:
        remedy = "Correct or describe what is named here in deployments.toml, or leave it as it is."
        return warning(DEPLOYMENT, f"{where}, {deployment.title}.", remedy, *lines)
    return ok(DEPLOYMENT, f"{where}, {deployment.title}.", *lines)


def _remedy(fault: BackendError) -> str:
    if isinstance(fault, BackendServerError):
        return f"Try again in a minute. {CAUSES} {_WITHOUT}"
    if fault.passing:
        return f"Check again when ComfyDeploy answers. {_WITHOUT}"
    return f"See the finding about the key, and check the id and COMFYDEPLOY_API_URL. {_WITHOUT}"


def option_names(deployment: Deployment, plan: CommandPlan) -> str:
    """Return the names of a deployment's options, without those of inputs that aren't offered."""
    spec = plan.command(deployment.name)
    options = spec.options if spec is not None else ()
    names = [option.name if option.required else f"[{option.name}]" for option in options]
    inputs = [option.item for option in options]
    within = [item.option for item in deployment.offered if item not in inputs]
    return " ".join(names) + (f", within 'more': {', '.join(within)}" if within else "")


async def check_discord(
    settings: Settings, effects: Effects, named: Named | None = None
) -> AsyncIterator[Finding]:
    """Check the token, the clock and the servers, and name the links that invite the bot.

    `named` gives the channels that are to be checked, too. This logs in to Discord's HTTP API, without the
    client's `setup_hook` or a session of the gateway.
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
            said = (
                f"Discord can't be asked: {_why_not(error)}" if answered else sentence_case(_why_not(error))
            )
            remedy = "Check the network, and https://discordstatus.com."
            yield problem(TOKEN, f"{said}.", remedy, passing=True)
        else:
            yield ok(TOKEN, f"valid, of {account['username']} ({application_id}).")
        if dates and (clock := compare_clock(dates[-1], effects.now())) is not None:
            yield clock
        if application_id is None:
            return
        for finding in await _check_servers(client, settings, int(account["id"]), named):
            yield finding
    yield ok("Invite link", invite_url(application_id))
    if settings.allow_user_installs:
        yield ok("Install link", install_url(application_id))


async def _ask(call: Awaitable[T]) -> T:
    """Return Discord's reply to a call. Raises one of ERRORS."""
    return await asyncio.wait_for(call, _CALL_SECONDS)


def _why_not(error: BaseException) -> str:
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


async def _check_servers(
    client: discord.Client, settings: Settings, bot_id: int, named: Named | None
) -> list[Finding]:
    """Check that the bot is on the configured servers, and may post there.

    Overwrites of channels, which may take permissions away, are read only for the channels in `named`.
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
        lacking, blind = await _lacking(client, servers, bot_id, named)
    except ERRORS as error:
        summary = f"the list can't be read: {_why_not(error)}."
        return [problem(SERVERS, summary, "Try again in a minute.", passing=True)]
    found: list[Finding] = []
    present = {int(server["id"]) for server in servers}
    if absent := [str(each) for each in settings.allowed_guild_ids or () if each not in present]:
        summary = f"ALLOWED_GUILD_IDS names servers that the bot is not on: {', '.join(absent)}."
        found.append(warning(SERVERS, summary, "Invite the bot there, or correct the ids."))
    remedy = "A server admin grants them to the bot's role: Server Settings > Roles, or in the channel."
    if blind:
        found.append(problem(SERVERS, f"{_VIEW} is missing where the bot is to post.", remedy, *blind))
    if lacking:
        found.append(warning(SERVERS, "permissions are missing.", remedy, *lacking))
    if blind or lacking:
        return found
    return [*found, ok(SERVERS, f"the bot is on {len(servers)}, with every permission that it needs.")]


async def _lacking(
    client: discord.Client, servers: Sequence[Mapping[str, Any]], bot_id: int, named: Named | None
) -> tuple[list[str], list[str]]:
    """Return where permissions are missing, and where View Channel is, although the bot is to post there."""
    lacking, blind = list[str](), list[str]()
    for server in servers:
        where, missing = f"{server['name']} ({server['id']})", _missing(server)
        places = await named(int(server["id"])) if named is not None else {}
        is_blind = _VIEW in missing
        if places or is_blind:
            guild = await _ask(client.fetch_guild(int(server["id"]), with_counts=False))
            me = await _ask(guild.fetch_member(bot_id))
            channels = {
                each.id: lacks(each, each.permissions_for(me)) for each in await guild.fetch_channels()
            }
            is_blind = is_blind and all(_VIEW in lacked for lacked in channels.values())
            for id, title in places.items():
                if lacked := channels.get(id):
                    (blind if _VIEW in lacked else lacking).append(f"{where}, {title}: {', '.join(lacked)}")
        if missing:
            (blind if is_blind else lacking).append(f"{where}: {', '.join(missing)}")
    return lacking, blind


def _missing(server: Mapping[str, Any]) -> list[str]:
    granted = discord.Permissions(int(server.get("permissions") or 0))
    if server.get("owner") or granted.administrator:
        return []
    threads = [] if granted.send_messages_in_threads else ["Send Messages in Threads"]
    return [*lacks(None, granted), *threads]
