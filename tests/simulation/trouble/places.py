"""Actions: channels, permissions, members, deployments.toml and the machine's clock change."""

from __future__ import annotations

import asyncio
import json
import signal
import tomllib
from typing import Any

from tests.fakediscord.world import MEMBER, MODERATOR, Channel
from tests.simulation.engine.life import Life
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import Draw, Skip, action
from tests.simulation.story import Ask, Story
from tests.simulation.trouble.services import jump
from tests.simulation.world import DEPLOYMENTS, MANAGER

# Channels and what Discord says about requests.


def delete_channel(story: Story, where: str) -> None:
    """Delete a channel with its threads, unless it is gone."""
    channel = story.world.channel(where)
    if channel.deleted:
        return
    for place in (
        channel,
        *(each for each in story.discord.world.channels.values() if each.parent is channel),
    ):
        story.removed += list(place.messages.values())
    story.discord.delete_channel(channel)
    story.strike("the thread is deleted" if where == "thread" else f"#{where} is deleted")


def withdraw(story: Story, where: str, permission: str = "send_messages") -> None:
    """Take a permission from the bot in a channel, unless it is gone."""
    channel = story.world.channel(where)
    if not channel.deleted:
        story.discord.withdraw(channel, permission)
        story.strike(f"the bot loses {permission} in #{where}")


def set_mark(story: Story, where: str, *, nsfw: bool) -> None:
    """Change a channel's age restriction."""
    channel: Channel = story.world.channel(where)
    if not channel.deleted and channel.nsfw != nsfw:
        channel.nsfw = nsfw
        story.discord._announce(channel, "UPDATE")
        story.strike(f"#{channel.name} is {'' if nsfw else 'not '}age-restricted now")


def expire_token(story: Story, asked: Ask) -> None:
    """Let the token of a request's interaction expire."""
    asked.interaction.created_at -= 900
    story.strike(f"the token of request {asked.number} has expired")


@action("place")
async def channel_goes(story: Story, draw: Draw) -> None:
    delete_channel(story, draw(where=("pictures", "requests", "adult", "gallery")))


@action("place")
async def permission_goes(story: Story, draw: Draw) -> None:
    permissions = ("send_messages", "view_channel", "read_message_history", "attach_files")
    withdraw(story, *draw(where=("pictures", "requests", "cards", "adult"), permission=permissions))


@action("place")
async def mark_channel(story: Story, draw: Draw) -> None:
    set_mark(story, draw(where=("pictures", "adult")), nsfw=draw(nsfw=0.5))


@action("place")
async def token_expires(story: Story, draw: Draw) -> None:
    number = draw(ask=range(4))
    if number < len(story.asks):
        expire_token(story, story.asks[number])


@action("place")
async def moderator_deletes(story: Story, draw: Draw) -> None:
    """Delete the newest public message about a request, as a moderator does in Discord."""
    asked = story.nth(draw(ask=range(4)))
    for message in reversed(story.of_ask(asked)) if asked is not None else ():
        if not message.ephemeral and message.channel.guild is not None:
            story.removed.append(message)
            story.discord.delete_message(message)
            story.strike("a moderator deletes a message about a request")
            return


@action("place")
async def closes_direct_messages(story: Story, draw: Draw) -> None:
    who = draw(who=MEMBERS)
    story.world.person(who).accepts_dms = False
    story.strike(f"{who} accepts no direct messages")


@action("change")
async def thread_closes(story: Story, draw: Draw) -> None:
    """Archive, lock or delete the thread."""
    archived, locked, gone = draw(archived=0.7, locked=0.5, gone=0.3)
    thread = story.world.channel("thread")
    if gone:
        delete_channel(story, "thread")
    elif not thread.deleted:
        story.discord.set_thread(thread, archived=archived, locked=locked)
        story.strike(f"the thread is {'archived' if archived else 'open'}{' and locked' if locked else ''}")


# Members, roles and the bot itself.

_ROLES = {"mona": MANAGER, "mike": MANAGER, "alice": MEMBER, "bob": MEMBER}
_PERMISSIONS = {"nothing special": MEMBER, "moderator": MODERATOR, "manager": MANAGER}


@action("change", weight=2)
async def role_changes(story: Story, draw: Draw) -> None:
    """Change the permissions of a member's role, and perhaps restore them after some seconds."""
    who, where, back = draw(who=list(_ROLES), where=("studio", "reviewed"), back=(None, 5))
    role = "nothing special" if who in ("mona", "mike") else draw(role=("moderator", "manager"))
    guild, person = story.world.cast.guilds[where], story.world.person(who)
    earlier = guild.members.get(person.id)
    if earlier is None:
        raise Skip(f"{who} isn't on {where}")
    story.discord.set_member_permissions(guild, person, _PERMISSIONS[role])
    story.strike(f"{who} is {role} on {where} now")

    def restore() -> None:
        if person.id in guild.members:
            story.discord.set_member_permissions(guild, person, earlier)
            story.strike(f"{who} has the earlier permissions on {where}")

    if back is not None:
        story.world.later(back, restore)


@action("change")
async def reviewer_loses_role(story: Story, _: Draw) -> None:
    if story.reviewers.pop("rita", None) is None:
        raise Skip("rita has no role to lose")
    story.discord.take_role(story.world.cast.guilds["reviewed"], story.world.person("rita"))
    story.strike("rita loses the reviewer role")


@action("change")
async def member_goes(story: Story, draw: Draw) -> None:
    who, where = draw(who=(*MEMBERS, "mike", "rita"), where=("studio", "reviewed"))
    guild, person = story.world.cast.guilds[where], story.world.person(who)
    if person.id not in guild.members:
        raise Skip(f"{who} isn't on {where}")
    if where == "reviewed":
        story.reviewers.pop(who, None)
    story.discord.leave(guild, person)
    story.strike(f"{who} leaves {where}")


@action("change")
async def channel_is_hidden(story: Story, draw: Draw) -> None:
    """Hide a channel from a member."""
    who, where = draw(who=MEMBERS, where=("pictures", "requests", "adult"))
    if story.world.channel(where).deleted:
        raise Skip(f"#{where} is gone")
    story.discord.hide(story.world.channel(where), story.world.person(who))
    story.strike(f"{who} can't see #{where} any more")


@action("change")
async def bot_is_removed(story: Story, draw: Draw) -> None:
    """Remove the bot from a server, and perhaps invite it again after some seconds."""
    where, back = draw(where=("studio", "reviewed", "elsewhere"), back=(None, 4, 20))
    guild = story.world.cast.guilds[where]
    if not guild.bot_present:
        raise Skip(f"the bot isn't on {where}")
    story.discord.remove_bot(guild)
    story.strike(f"the bot is removed from {where}")

    def invite() -> None:
        story.discord.invite_bot(guild)
        story.strike(f"the bot is invited to {where} again")

    if back is not None:
        story.world.later(back, invite)


# Deployments.

Deployments = dict[str, Any]
# The changes of each deployment's keys, or all deployments' (*). None removes a key or a deployment, and a
# text is a deployment's new name.
_EDITS: dict[str, dict[str, Any]] = {
    "a GPU is gone": {"picture": {"gpus": ["A10G"]}},
    "another default GPU": {"picture": {"default_gpu": "H100"}},
    "choices are gone": {"picture": {"inputs": {"style": {"choices": ["neon"]}}}},
    "an option is gone": {"picture": {"inputs": {"negative": {"hidden": True}}}},
    "text is gone": {"text": None},
    "picture is gone": {"picture": None},
    "the follow-up is gone": {"upscale": None, "picture": {"then": None}},
    "two have other names": {"picture": "image", "text": "prose"},
    "all are age-restricted": {"*": {"age_restricted": True}},
    "picture is age-restricted": {"picture": {"age_restricted": True}},
    "none is age-restricted": {"*": {"age_restricted": None}},
}
_CORRECTED_AFTER = 30.0


@action("change", weight=4)
async def deployments_change(story: Story, draw: Draw) -> None:
    """Edit deployments.toml and make every process read it; perhaps restore it after some seconds.

    A mistake is always corrected, because otherwise a restarted process would exit.
    """
    what, how, back = draw(
        what=(*_EDITS, "a mistake"), how=("signal", "signal", "command"), back=(None, 3, 15)
    )
    path = story.world.folder / DEPLOYMENTS.name
    original = DEPLOYMENTS.read_text(encoding="utf-8")
    changed = original + "\n[deployments."
    if what != "a mistake":
        deployments = tomllib.loads(original)["deployments"]
        _edit(deployments, _EDITS[what])
        changed = "".join(f"[deployments.{name}]\n{_toml(each)}" for name, each in deployments.items())
    path.write_text(changed, encoding="utf-8")
    story.strike(f"deployments.toml: {what}")
    await _reread(story, how)

    async def restore() -> None:
        path.write_text(original, encoding="utf-8")
        story.strike("deployments.toml is as before")
        await _reread(story, how)

    if back is not None or what == "a mistake":
        story.world.later(back or _CORRECTED_AFTER, restore)


def _edit(deployments: Deployments, edits: dict[str, Any]) -> None:
    for name, changed in edits.items():
        if not isinstance(changed, dict):
            deployment = deployments.pop(name)
            if changed is not None:
                deployments[changed] = deployment
            continue
        for each in deployments.values() if name == "*" else [deployments[name]]:
            each.update(changed)
            for key in [key for key, value in changed.items() if value is None]:
                del each[key]


def _toml(deployment: dict[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in deployment.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)


async def _reread(story: Story, how: str) -> None:
    if how == "command":
        await story.slash("owner", "dm:owner", "reload", {})
    else:
        for process in story.world.running:
            process.signal(signal.SIGHUP)


# The machine.

_YEAR = 400 * 86_400


@action("clock")
async def clock_jump(story: Story, draw: Draw) -> None:
    """Set the wall clock of the bot's machine, but not its monotonic clock or other clocks."""
    seconds, hours = draw(seconds=(-90, 30, 100, 3600, 86400, _YEAR), hours=(2, 5))
    for process in story.world.running:
        process.ahead += seconds
    story.strike(f"the bot's clock is set by {seconds} s")
    for _ in range(hours if seconds == _YEAR else 0):
        await asyncio.sleep(2)
        jump(story, 3600)


@action("threads")
async def slow_thread(story: Story, draw: Draw) -> None:
    """Let the next calls in threads take some seconds."""
    seconds, calls = draw(seconds=(0.2, 1.0, 2.5, 5.0), calls=(1, 3, 10))
    left = iter([seconds] * calls)

    def delay(_life: Life, _name: str) -> float:
        return next(left, 0.0)

    story.world.loop.executor_delay = delay
    story.strike(f"the next {calls} calls in threads take {seconds} s")
