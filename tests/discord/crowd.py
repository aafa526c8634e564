"""More people for a stage: a moderator, a reviewer by role, and lines for the record."""

from __future__ import annotations

from typing import Any

import discord
import simcord
from simcord.enums import InteractionType

from bot.store.audit import AuditEntry, note
from bot.store.server_rules import RuleStore
from tests.stage import Stage


def moderator(s: Stage, name: str = "mona") -> simcord.MemberActor:
    """Somebody with Manage Server."""
    role = s.guild.create_role(f"staff-{name}", permissions=discord.Permissions(manage_guild=True))
    return s.guild.add_member(s.env.create_user(name), roles=[role])


async def reviewer(s: Stage, name: str = "rita") -> simcord.MemberActor:
    """Somebody with the server's reviewer role and without Manage Server."""
    role = s.guild.create_role(f"reviewer-{name}")
    await RuleStore(s.app.store.database).change(
        s.guild.id,
        1,
        lambda rules: rules.model_copy(update={"reviewer_role_id": role.id}),
        s.clock(),
        "reviewer role",
    )
    return s.guild.add_member(s.env.create_user(name), roles=[role])


async def call(
    s: Stage, actor: Any, name: str, options: list[dict[str, Any]] | None = None, resolved: Any = None
) -> Any:
    """A command past Discord's own permissions, as an override in Server Settings lets somebody use it."""
    command = s.env.backend.find_command(name, s.guild.id, type=1)
    data: dict[str, Any] = {"id": command["id"], "name": name, "type": 1, "options": options or []}
    if resolved is not None:
        data["resolved"] = resolved
    return await actor._dispatch_interaction(InteractionType.APPLICATION_COMMAND, s.channel, data)


async def write(s: Stage, *entries: AuditEntry) -> None:
    """Lines in the record, as if they had happened."""
    async with s.app.store.database.write() as connection:
        for entry in entries:
            await note(connection, entry)


def override(s: Stage, targets: dict[Any, bool]) -> None:
    """Who may use the command, by the server's own settings of it."""
    command = s.env.backend.find_command("generate", s.guild.id, type=1)
    s.guild.set_command_permissions(int(command["id"]), targets)


def owner(s: Stage) -> simcord.MemberActor:
    """The application's owner, as discord.py remembers it; the offline Discord names no person."""
    role = s.guild.create_role("admin", permissions=discord.Permissions(administrator=True))
    person = s.guild.add_member(s.env.create_user("olga"), roles=[role])
    s.app.bot.owner_id = person.id
    return person
