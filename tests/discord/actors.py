"""More people for a bot: a moderator, a reviewer by role, the owner; and entries for the record."""

from __future__ import annotations

from typing import Any

import discord
import simcord

from bot.domain.records import AuditEntry
from bot.store.audit import add_entries
from bot.store.rules import RuleStore
from tests.harness import Harness


def moderator(bot: Harness, name: str = "mona") -> simcord.MemberActor:
    """Add a member with Manage Server."""
    role = bot.guild.create_role(f"staff-{name}", permissions=discord.Permissions(manage_guild=True))
    return bot.guild.add_member(bot.env.create_user(name), roles=[role])


async def reviewer(bot: Harness, name: str = "rita") -> simcord.MemberActor:
    """Add a member with the server's reviewer role and without Manage Server."""
    role = bot.guild.create_role(f"reviewer-{name}")
    await RuleStore(bot.app.store.database).change(
        bot.guild.id,
        1,
        lambda rules: rules.model_copy(update={"reviewer_role_id": role.id}),
        bot.clock(),
        "reviewer role",
    )
    return bot.guild.add_member(bot.env.create_user(name), roles=[role])


async def report(message: Any, actor: Any) -> Any:
    """Press Report, which is behind More under a single result."""
    more = await actor.click(message, label="More")
    assert more.ephemeral
    return await actor.click(more.response.message, label="Report")


async def open_details(message: Any, actor: Any) -> Any:
    """Press Details, which is behind More under a single result."""
    more = await actor.click(message, label="More")
    return await actor.click(more.response.message, label="Details")


async def write(bot: Harness, *entries: AuditEntry) -> None:
    """Add entries to the record, as if they had happened."""
    async with bot.app.store.database.write() as connection:
        for entry in entries:
            await add_entries(connection, entry)


def override(bot: Harness, targets: dict[Any, bool]) -> None:
    """Set who may use the command in the server's Integrations settings."""
    command = bot.env.backend.find_command("generate", bot.guild.id, type=1)
    bot.guild.set_command_permissions(int(command["id"]), targets)


def owner(bot: Harness) -> simcord.MemberActor:
    """Add the application's owner, where discord.py remembers it; the offline Discord names no person."""
    role = bot.guild.create_role("admin", permissions=discord.Permissions(administrator=True))
    person = bot.guild.add_member(bot.env.create_user("olga"), roles=[role])
    bot.app.bot.owner_id = person.id
    return person
