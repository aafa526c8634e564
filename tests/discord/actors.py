"""More people for a bot: a moderator, a reviewer by role, and lines for the record."""

from __future__ import annotations

from typing import Any

import discord
import simcord
from simcord.enums import InteractionType

from bot.store.audit import AuditEntry, note
from bot.store.server_rules import RuleStore
from tests.harness import Harness


def moderator(bot: Harness, name: str = "mona") -> simcord.MemberActor:
    """Somebody with Manage Server."""
    role = bot.guild.create_role(f"staff-{name}", permissions=discord.Permissions(manage_guild=True))
    return bot.guild.add_member(bot.env.create_user(name), roles=[role])


async def reviewer(bot: Harness, name: str = "rita") -> simcord.MemberActor:
    """Somebody with the server's reviewer role and without Manage Server."""
    role = bot.guild.create_role(f"reviewer-{name}")
    await RuleStore(bot.app.store.database).change(
        bot.guild.id,
        1,
        lambda rules: rules.model_copy(update={"reviewer_role_id": role.id}),
        bot.clock(),
        "reviewer role",
    )
    return bot.guild.add_member(bot.env.create_user(name), roles=[role])


async def call(
    bot: Harness, actor: Any, name: str, options: list[dict[str, Any]] | None = None, resolved: Any = None
) -> Any:
    """A command past Discord's own permissions, as an override in Server Settings lets somebody use it."""
    command = bot.env.backend.find_command(name, bot.guild.id, type=1)
    data: dict[str, Any] = {"id": command["id"], "name": name, "type": 1, "options": options or []}
    if resolved is not None:
        data["resolved"] = resolved
    return await actor._dispatch_interaction(InteractionType.APPLICATION_COMMAND, bot.channel, data)


async def write(bot: Harness, *entries: AuditEntry) -> None:
    """Lines in the record, as if they had happened."""
    async with bot.app.store.database.write() as connection:
        for entry in entries:
            await note(connection, entry)


def override(bot: Harness, targets: dict[Any, bool]) -> None:
    """Who may use the command, by the server's own settings of it."""
    command = bot.env.backend.find_command("generate", bot.guild.id, type=1)
    bot.guild.set_command_permissions(int(command["id"]), targets)


def owner(bot: Harness) -> simcord.MemberActor:
    """The application's owner, as discord.py remembers it; the offline Discord names no person."""
    role = bot.guild.create_role("admin", permissions=discord.Permissions(administrator=True))
    person = bot.guild.add_member(bot.env.create_user("olga"), roles=[role])
    bot.app.bot.owner_id = person.id
    return person
