"""Discord: whose token it is, what it may do, and whether the commands there are the bot's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord import app_commands

from bot.config.settings import Settings
from bot.gateway.permissions import lacks
from bot.gateway.sync import CommandSync, differences, payload, told
from bot.ops.discord_http import DiscordApi, DiscordFault
from bot.ops.findings import Finding, ok, problem, warning

TOKEN, INTENTS, SESSIONS = "Discord token", "Intents", "Gateway"
COMMANDS, SERVERS = "Commands", "Servers"
_SHOWN = 20
_MISSING_ACCESS = 50001
# The bits of an application's flags that say a privileged intent is granted: to a large bot, to a small one.
_PRIVILEGED = {"presences": (12, 13), "members": (14, 15), "message_content": (18, 19)}


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose token it is."""

    application_id: int
    flags: int


async def identify(api: DiscordApi) -> tuple[Identity | None, Finding]:
    try:
        found = await api.application()
    except DiscordFault as error:
        if error.status == 401:
            remedy = "Copy it anew: https://discord.com/developers/applications > Bot > Reset Token."
            return None, problem(TOKEN, "Discord doesn't accept DISCORD_TOKEN.", remedy)
        return None, problem(
            TOKEN, f"Discord can't be asked: {error}.", "Check the network, and https://discordstatus.com."
        )
    bot = found.get("bot") or {}
    who = Identity(int(found["id"]), int(found.get("flags") or 0))
    return who, ok(TOKEN, f"valid, of {bot.get('username') or found.get('name')} ({who.application_id}).")


def intents(wanted: discord.Intents, flags: int) -> Finding:
    missing = [
        name
        for name, bits in _PRIVILEGED.items()
        if getattr(wanted, name) and not any(flags >> bit & 1 for bit in bits)
    ]
    if missing:
        remedy = "Switch them on: the application's page > Bot > Privileged Gateway Intents."
        return problem(INTENTS, f"Discord doesn't grant {', '.join(missing)}.", remedy)
    names = ", ".join(name for name, on in wanted if on)
    return ok(INTENTS, f"{names}: none of the privileged ones is missing.")


async def gateway(api: DiscordApi, settings: Settings) -> Finding:
    """Discord resets the token of a bot that logs in more often than it may."""
    try:
        found = await api.gateway()
    except DiscordFault as error:
        return problem(
            SESSIONS, f"Discord doesn't tell the gateway's address: {error}.", "Try again in a minute."
        )
    limit, shards = found.get("session_start_limit") or {}, int(found.get("shards", 1))
    left, total = int(limit.get("remaining", 1)), int(limit.get("total", 1))
    if left == 0:
        minutes = round(int(limit.get("reset_after", 0)) / 60_000)
        return problem(
            SESSIONS,
            "no session start is left today.",
            f"Wait {minutes} minutes, and find out why the bot was restarted so often.",
        )
    if shards > (settings.shard_count or 1):
        return warning(
            SESSIONS,
            f"Discord recommends {shards} shards, more than SHARD_COUNT.",
            f"Set SHARD_COUNT={shards}: with more than 2,500 servers to a shard the bot is turned away.",
        )
    return ok(SESSIONS, f"{left} of {total} session starts are left.")


async def commands(
    api: DiscordApi,
    tree: app_commands.CommandTree[Any],
    sync: CommandSync,
    who: Identity,
    known: Mapping[str, str],
) -> list[Finding]:
    sync.arrange(tree)
    return [await _commands_of(api, tree, who, place) for place in sync.places(known)]


async def _commands_of(
    api: DiscordApi, tree: app_commands.CommandTree[Any], who: Identity, place: str
) -> Finding:
    wanted = payload(tree, place)
    try:
        there = await api.commands(who.application_id, place)
    except DiscordFault as error:
        if error.code == _MISSING_ACCESS:
            remedy = "Invite the bot there with the link below, or take the server out of COMMAND_GUILD_IDS."
            return problem(COMMANDS, f"the bot may have none on {told(place)}.", remedy)
        return problem(COMMANDS, f"those on {told(place)} can't be read: {error}.", "Try again in a minute.")
    found = differences(wanted, there)
    if not found:
        return ok(COMMANDS, f"{len(wanted)} on {told(place)}, as they should be.")
    parts = (("missing", found.missing), ("changed", found.changed), ("left over", found.surplus))
    lines = [f"{word}: {', '.join(names)}" for word, names in parts if names]
    remedy = "python -m bot sync, or start the bot: it syncs what changed."
    return warning(COMMANDS, f"those on {told(place)} differ from the bot's own.", remedy, *lines)


async def servers(api: DiscordApi, settings: Settings) -> list[Finding]:
    """What the bot may do by its roles; a channel's own settings can still take it away."""
    try:
        there = [server async for server in api.servers()]
    except DiscordFault as error:
        return [problem(SERVERS, f"the list can't be read: {error}.", "Try again in a minute.")]
    if not there:
        return [warning(SERVERS, "the bot is on none.", "Invite it with the link below.")]
    short = [(server, missing) for server in there if (missing := _missing(server))]
    return [*_absent(there, settings), _permissions(there, short)]


def _missing(server: Mapping[str, Any]) -> list[str]:
    granted = discord.Permissions(int(server.get("permissions") or 0))
    if server.get("owner") or granted.administrator:
        return []
    threads = [] if granted.send_messages_in_threads else ["Send Messages in Threads"]
    return [*lacks(None, granted), *threads]


def _permissions(
    there: Sequence[Mapping[str, Any]], short: Sequence[tuple[Mapping[str, Any], list[str]]]
) -> Finding:
    if not short:
        return ok(SERVERS, f"the bot is on {len(there)}, with every permission that it needs.")
    lines = [f"{server['name']} ({server['id']}): {', '.join(missing)}" for server, missing in short[:_SHOWN]]
    if len(short) > _SHOWN:
        lines.append(f"and {len(short) - _SHOWN} more")
    return warning(
        SERVERS,
        f"permissions are missing on {len(short)} of {len(there)}.",
        "A server admin grants them to the bot's role: Server Settings > Roles.",
        *lines,
    )


def _absent(there: Sequence[Mapping[str, Any]], settings: Settings) -> list[Finding]:
    present = {int(server["id"]) for server in there}
    found = []
    for name, ids in (
        ("ALLOWED_GUILD_IDS", settings.allowed_guild_ids or ()),
        ("COMMAND_GUILD_IDS", settings.command_guild_ids),
    ):
        if absent := [str(guild_id) for guild_id in ids if guild_id not in present]:
            said = f"{name} names servers that the bot is not on: {', '.join(absent)}."
            found.append(warning(SERVERS, said, "Invite the bot there, or correct the ids."))
    return found
