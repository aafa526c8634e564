"""More people for a bot and what they do in one step: moderators, reviewers, the owner, forms and reports."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta
from typing import Any

import discord
import simcord

from tests.discord.forged import own_answer, press
from tests.discord.rendered import buttons_of, text_of, unblock_buttons
from tests.harness import Harness
from tests.questions import insert_rules, rules


def member(bot: Harness, name: str, *roles: Any, guild: Any = None, **permissions: bool) -> Any:
    """Add a member with these roles, and with a further one that has the permissions."""
    guild = guild or bot.guild
    if permissions:
        own = guild.create_role(f"role of {name}", permissions=discord.Permissions(**permissions))
        roles = (*roles, own)
    return guild.add_member(bot.env.create_user(name), roles=list(roles))


def moderator(bot: Harness, name: str = "mona") -> simcord.MemberActor:
    """Add a member with Manage Server."""
    return member(bot, name, manage_guild=True)


async def reviewer(bot: Harness, name: str = "rita") -> simcord.MemberActor:
    """Add a member with the server's reviewer role and without Manage Server."""
    role = bot.guild.create_role(f"reviewer-{name}")
    found = await rules(bot.database, bot.guild.id)
    wanted = found.model_dump(mode="json") | {"reviewer_role_id": role.id}
    await insert_rules(bot.database, bot.guild.id, wanted)
    return member(bot, name, role)


def owner(bot: Harness) -> simcord.MemberActor:
    """Add the application's owner, where discord.py remembers it; the offline Discord names no person."""
    person = member(bot, "olga", administrator=True)
    bot.app.bot.owner_id = person.id
    return person


async def read(bot: Harness, actor: Any, command: str, *, channel: Any = None, **options: Any) -> str:
    """Run a command whose answer only the actor sees, and return its text."""
    shown = await actor.slash(channel or bot.channel, command, **options)
    assert shown.ephemeral
    return text_of(bot, shown.response)


async def submit(bot: Harness, form: Any, values: dict[str, Any], actor: Any = None) -> Any:
    """Submit a form, as Alice by default, and run the workers."""
    sent = await (actor or bot.alice).submit_modal(form, values)
    await bot.play()
    return sent


async def open_more(message: Any, actor: Any) -> Any:
    """Press More, and return the message behind it, which is a follow-up under a private result."""
    done = await actor.click(message, label="⋯ More")
    shown = done.followups[0] if done.followups else done.response
    return shown.message if shown is not None else None


async def press_behind(bot: Harness, message: Any, label: str, actor: Any = None) -> Any:
    """Press a button, as Alice by default, which may be behind More."""
    actor = actor or bot.alice
    if label not in buttons_of(bot, message):
        message = await open_more(message, actor)
    return await actor.click(message, label=label)


async def press_delete(bot: Harness, message: Any, actor: Any = None) -> Any:
    """Press Delete, as Alice by default, which may be behind More. If it isn't offered there, forge it."""
    actor, found = actor or bot.alice, buttons_of(bot, message)
    more = next((found[label] for label in found if label == "⋯ More"), None)
    of_several = next((label for label in found if label.startswith("Delete all ")), "Delete")
    if of_several in found or more is None:
        return await actor.click(message, label=of_several)
    opened = await open_more(message, actor)
    if opened is not None and "Delete" in buttons_of(bot, opened):
        return await actor.click(opened, label="Delete")
    _, key, action = more.split(":")
    forged = f"delete:{key}:{message.id}:{'1' if action == 'all' else ''}:"
    return await press(bot, actor, await own_answer(bot, actor), forged)


async def delete(bot: Harness, message: Any, actor: Any = None) -> Any:
    """Press Delete as `press_delete` does, and run the workers."""
    done = await press_delete(bot, message, actor)
    await bot.play()
    return done


async def report(message: Any, actor: Any, **typed: str) -> Any:
    """Press Report, which is behind More, and send its form."""
    return await report_here(await open_more(message, actor), actor, **typed)


async def report_here(message: Any, actor: Any, **typed: str) -> Any:
    """Press Report under a message, and send its form."""
    shown = await actor.click(message, label="Report")
    return await actor.submit_modal(shown, {"reason": "rules", "note": "", **typed})


async def exported(bot: Harness, person: Any) -> dict[str, list[Any]]:
    """Return the lines of a person's export by their kinds."""
    result = await person.slash(bot.channel, "privacy export")
    assert result.ephemeral
    (answer,) = result.followups or [result.response]
    (attachment,) = answer.attachments
    assert attachment.filename == "my-data.jsonl"
    held = defaultdict[str, list[Any]](list)
    for line in (await attachment.read()).splitlines():
        told = json.loads(line)
        held[told["kind"]].append(told)
    return held


async def block(bot: Harness, person: Any) -> None:
    """Let a moderator block a person without an end."""
    await moderator(bot, "max").slash(bot.channel, "block", user=person, reason="spam")


async def blocked(bot: Harness, actor: Any) -> list[int]:
    """Return the ids of the people on the first page of `/blocked`, as a moderator reads it."""
    return list(unblock_buttons(bot, (await actor.slash(bot.channel, "blocked")).response))


def moment(bot: Harness, **later: float) -> str:
    """Return the time so much later as Discord shows it."""
    return f"<t:{int((bot.clock() + timedelta(**later)).timestamp())}:f>"


async def pause(bot: Harness) -> None:
    """Let the bot's owner pause it."""
    await owner(bot).slash(bot.channel, "pause", reason="moving")


def override(bot: Harness, targets: dict[Any, bool]) -> None:
    """Set who may use the command in the server's Integrations settings."""
    command = bot.env.backend.find_command("generate", bot.guild.id, type=1)
    bot.guild.set_command_permissions(int(command["id"]), targets)
