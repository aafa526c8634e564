"""Check Discord: the token, intents, session starts, commands and permissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord import app_commands

from bot.config.settings import Settings
from bot.discord_api.permissions import lacks
from bot.domain.text import sentence_case
from bot.gateway.sharding import missing_starts, needed_starts
from bot.gateway.sync import CommandSync, describe_scope, differences, payload
from bot.ops.discord_http import DiscordApi, DiscordFault
from bot.ops.findings import Finding, ok, problem, warning

TOKEN, INTENTS, SESSIONS = "Discord token", "Intents", "Gateway"
COMMANDS, SERVERS = "Commands", "Servers"
_SHOWN = 20
_MISSING_ACCESS = 50001
# For each privileged intent, the bits of the application's flags that grant it to large and to small bots.
_PRIVILEGED = {"presences": (12, 13), "members": (14, 15), "message_content": (18, 19)}


@dataclass(frozen=True, slots=True)
class Identity:
    """The application that a token belongs to."""

    application_id: int
    flags: int


async def identify(api: DiscordApi) -> tuple[Identity | None, Finding]:
    try:
        application = await api.application()
    except DiscordFault as error:
        if error.status == 401:
            remedy = "Copy it again: https://discord.com/developers/applications > Bot > Reset Token."
            return None, problem(TOKEN, "Discord doesn't accept DISCORD_TOKEN.", remedy)
        said = f"Discord can't be asked: {error}." if error.status else f"{sentence_case(str(error))}."
        return None, problem(TOKEN, said, "Check the network, and https://discordstatus.com.")
    bot = application.get("bot") or {}
    identity = Identity(int(application["id"]), int(application.get("flags") or 0))
    return identity, ok(
        TOKEN, f"valid, of {bot.get('username') or application.get('name')} ({identity.application_id})."
    )


def check_intents(intents: discord.Intents, flags: int) -> Finding:
    missing = [
        name
        for name, bits in _PRIVILEGED.items()
        if getattr(intents, name) and not any(flags >> bit & 1 for bit in bits)
    ]
    if missing:
        remedy = "Switch them on: the application's page > Bot > Privileged Gateway Intents."
        return problem(INTENTS, f"Discord doesn't grant {', '.join(missing)}.", remedy)
    names = ", ".join(name for name, on in intents if on)
    return ok(INTENTS, f"{names}: none of the privileged ones is missing.")


async def check_session_starts(api: DiscordApi, settings: Settings) -> Finding:
    """Check that enough session starts are left, and that SHARD_COUNT isn't below Discord's recommendation.

    Discord resets the token of a bot that starts too many sessions.
    """
    try:
        gateway = await api.gateway()
    except DiscordFault as error:
        return problem(
            SESSIONS, f"Discord doesn't return the gateway's address: {error}.", "Try again in a minute."
        )
    limit, shards = gateway.get("session_start_limit") or {}, int(gateway.get("shards", 1))
    remaining, total = int(limit.get("remaining", 1)), int(limit.get("total", 1))
    minutes = missing_starts(limit, settings.shards)
    if minutes is not None:
        return problem(
            SESSIONS,
            f"of today's session starts, {remaining} are left, and a start needs "
            f"{needed_starts(settings.shards)}.",
            f"Wait {minutes} minutes, and find out why the bot was restarted so often.",
        )
    if shards > (settings.shard_count or 1):
        return warning(
            SESSIONS,
            f"Discord recommends {shards} shards, more than SHARD_COUNT.",
            f"Set SHARD_COUNT={shards}: Discord refuses a bot with more than 2,500 servers per shard.",
        )
    return ok(SESSIONS, f"{remaining} of {total} session starts are left.")


async def check_commands(
    api: DiscordApi,
    tree: app_commands.CommandTree[Any],
    sync: CommandSync,
    identity: Identity,
    synced: Mapping[str, str],
) -> list[Finding]:
    sync.arrange(tree)
    return [await _commands_of(api, tree, identity, scope) for scope in sync.scopes(synced)]


async def _commands_of(
    api: DiscordApi, tree: app_commands.CommandTree[Any], identity: Identity, scope: str
) -> Finding:
    expected = payload(tree, scope)
    try:
        registered = await api.commands(identity.application_id, scope)
    except DiscordFault as error:
        if error.code == _MISSING_ACCESS:
            remedy = "Invite the bot there with the link below, or take the server out of COMMAND_GUILD_IDS."
            return problem(COMMANDS, f"the bot may have none on {describe_scope(scope)}.", remedy)
        return problem(
            COMMANDS, f"those on {describe_scope(scope)} can't be read: {error}.", "Try again in a minute."
        )
    difference = differences(expected, registered)
    if not difference:
        return ok(COMMANDS, f"{len(expected)} on {describe_scope(scope)}, as they should be.")
    parts = (
        ("missing", difference.missing),
        ("changed", difference.changed),
        ("left over", difference.left_over),
    )
    lines = [f"{word}: {', '.join(names)}" for word, names in parts if names]
    remedy = "python -m bot sync, or start the bot: it syncs what changed."
    return warning(COMMANDS, f"those on {describe_scope(scope)} differ from the bot's own.", remedy, *lines)


async def check_servers(api: DiscordApi, settings: Settings) -> list[Finding]:
    """Check that the bot is on the configured servers, and that its roles give it the permissions it needs.

    The overwrites of channels, which may take permissions away, are not checked.
    """
    try:
        servers = [server async for server in api.servers()]
    except DiscordFault as error:
        return [problem(SERVERS, f"the list can't be read: {error}.", "Try again in a minute.")]
    if not servers:
        return [warning(SERVERS, "the bot is on none.", "Invite it with the link below.")]
    lacking = [(server, missing) for server in servers if (missing := _missing(server))]
    return [*_absent(servers, settings), _permissions(servers, lacking)]


def _missing(server: Mapping[str, Any]) -> list[str]:
    granted = discord.Permissions(int(server.get("permissions") or 0))
    if server.get("owner") or granted.administrator:
        return []
    threads = [] if granted.send_messages_in_threads else ["Send Messages in Threads"]
    return [*lacks(None, granted), *threads]


def _permissions(
    servers: Sequence[Mapping[str, Any]], lacking: Sequence[tuple[Mapping[str, Any], list[str]]]
) -> Finding:
    if not lacking:
        return ok(SERVERS, f"the bot is on {len(servers)}, with every permission that it needs.")
    lines = [
        f"{server['name']} ({server['id']}): {', '.join(missing)}" for server, missing in lacking[:_SHOWN]
    ]
    if len(lacking) > _SHOWN:
        lines.append(f"and {len(lacking) - _SHOWN} more")
    return warning(
        SERVERS,
        f"permissions are missing on {len(lacking)} of {len(servers)}.",
        "A server admin grants them to the bot's role: Server Settings > Roles.",
        *lines,
    )


def _absent(servers: Sequence[Mapping[str, Any]], settings: Settings) -> list[Finding]:
    present = {int(server["id"]) for server in servers}
    findings = []
    for name, ids in (
        ("ALLOWED_GUILD_IDS", settings.allowed_guild_ids or ()),
        ("COMMAND_GUILD_IDS", settings.command_guild_ids),
    ):
        if absent := [str(guild_id) for guild_id in ids if guild_id not in present]:
            summary = f"{name} names servers that the bot is not on: {', '.join(absent)}."
            findings.append(warning(SERVERS, summary, "Invite the bot there, or correct the ids."))
    return findings
