"""Actions: channels, permissions, members, deployments.toml and the machine's clock change."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable
from typing import NamedTuple

from tests.fakediscord.world import MEMBER, MODERATOR, Channel, Guild
from tests.simulation.engine.life import Life
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import Draw, Skip, action
from tests.simulation.story import Ask, Story
from tests.simulation.trouble.services import jump
from tests.simulation.world import DEPLOYMENTS, MANAGER


class At(NamedTuple):
    """The person, channel and request that a change is about, and the seconds until it may be undone."""

    who: str
    where: str
    asked: Ask | None
    back: float

    def guild(self, story: Story) -> Guild:
        """Return the channel's server. Raises Skip if the person or the bot isn't there."""
        guild = story.world.channel(self.where).guild
        if guild is None or not guild.bot_present or story.world.person(self.who).id not in guild.members:
            raise Skip(f"{self.who} and the bot don't share a server with #{self.where}")
        return guild


def delete_channel(story: Story, where: str) -> None:
    """Delete a channel with its threads, unless it is gone, or a direct message."""
    channel = story.world.channel(where)
    if channel.deleted or channel.guild is None:
        return
    threads = [each for each in story.discord.world.channels.values() if each.parent is channel]
    for place in (channel, *threads):
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


def _expire_token(story: Story, at: At) -> None:
    """Let the token of a request's interaction expire."""
    if at.asked is not None:
        at.asked.interaction.created_at -= 900
        story.strike(f"the token of request {at.asked.number} has expired")


def _delete_message(story: Story, at: At) -> None:
    """Delete the newest public message about a request, as a moderator does in Discord."""
    for message in reversed(story.of_ask(at.asked)) if at.asked is not None else ():
        if not message.ephemeral and message.channel.guild is not None:
            story.removed.append(message)
            story.discord.delete_message(message)
            story.strike("a moderator deletes a message about a request")
            return


def _refuse_dms(story: Story, at: At) -> None:
    story.world.person(at.who).accepts_dms = False
    story.strike(f"{at.who} accepts no direct messages")


def _close_thread(story: Story, at: At) -> None:
    """Archive the thread, and perhaps lock it."""
    thread, locked = story.world.channel("thread"), at.back > 4
    if not thread.deleted:
        story.discord.set_thread(thread, archived=True, locked=locked)
        story.strike(f"the thread is archived{' and locked' if locked else ''}")


def _hide(story: Story, at: At) -> None:
    if not story.world.channel(at.where).deleted:
        story.discord.hide(story.world.channel(at.where), story.world.person(at.who))
        story.strike(f"{at.who} can't see #{at.where} any more")


def _change_role(who: str, permissions: int, role: str) -> Callable[[Story, At], None]:
    def change(story: Story, at: At) -> None:
        guild, person = at._replace(who=who).guild(story), story.world.person(who)
        earlier = guild.members[person.id]
        story.discord.set_member_permissions(guild, person, permissions)
        story.strike(f"{who} is {role} on {guild.name} now")

        def restore() -> None:
            if person.id in guild.members:
                story.discord.set_member_permissions(guild, person, earlier)
                story.strike(f"{who} has the earlier permissions on {guild.name}")

        if at.back > 4:
            story.world.later(at.back, restore)

    return change


def _lose_reviewer(story: Story, at: At) -> None:
    if story.reviewers.pop("rita", None) is not None:
        story.discord.take_role(story.world.cast.guilds["reviewed"], story.world.person("rita"))
        story.strike("rita loses the reviewer role")


def _leave(story: Story, at: At) -> None:
    guild = at.guild(story)
    if at.where == "requests":
        story.reviewers.pop(at.who, None)
    story.discord.leave(guild, story.world.person(at.who))
    story.strike(f"{at.who} leaves {guild.name}")


def _remove_bot(story: Story, at: At) -> None:
    """Remove the bot from a server, and perhaps invite it again."""
    guild = at.guild(story)
    name = next(name for name, known in story.world.cast.guilds.items() if known is guild)
    story.discord.remove_bot(guild)
    story.strike(f"the bot is removed from {name}")

    def invite() -> None:
        story.discord.invite_bot(guild)
        story.strike(f"the bot is invited to {name} again")

    if at.back > 4:
        story.world.later(at.back, invite)


# What changes, with its weight as a step of its own.
CHANGES: dict[str, tuple[float, Callable[[Story, At], None]]] = {
    "channel gone": (1, lambda story, at: delete_channel(story, at.where)),
    "gallery gone": (0.5, lambda story, _: delete_channel(story, "gallery")),
    "may not send": (1, lambda story, at: withdraw(story, at.where)),
    "may not view": (0.5, lambda story, at: withdraw(story, at.where, "view_channel")),
    "may not read": (0.5, lambda story, at: withdraw(story, at.where, "read_message_history")),
    "may not attach": (0.5, lambda story, at: withdraw(story, at.where, "attach_files")),
    "no cards": (0.5, lambda story, _: withdraw(story, "cards")),
    "mark set": (0.5, lambda story, _: set_mark(story, "pictures", nsfw=True)),
    "mark lifted": (0.5, lambda story, _: set_mark(story, "adult", nsfw=False)),
    "token expired": (1, _expire_token),
    "message deleted": (1, _delete_message),
    "DMs refused": (1, _refuse_dms),
    "thread closed": (0.7, _close_thread),
    "thread gone": (0.3, lambda story, _: delete_channel(story, "thread")),
    "channel hidden": (1, _hide),
    "alice moderates": (0.5, _change_role("alice", MODERATOR, "moderator")),
    "bob manages": (0.5, _change_role("bob", MANAGER, "manager")),
    "mona is a member": (0.5, _change_role("mona", MEMBER, "nothing special")),
    "mike is a member": (0.5, _change_role("mike", MEMBER, "nothing special")),
    "no reviewer": (0.7, _lose_reviewer),
    "member gone": (1, _leave),
    "bot removed": (1, _remove_bot),
}


@action("change", weight=3)
async def something_changes(story: Story, draw: Draw) -> None:
    what, number = draw(what={name: weight for name, (weight, _) in CHANGES.items()}, ask=range(4))
    who, where, back = draw(
        who=(*MEMBERS, "mike", "rita"), where=("pictures", "requests", "adult"), back=(1, 5, 20)
    )
    CHANGES[what][1](story, At(who, where, story.nth(number), back))


# Deployments: patterns in deployments.toml, and what replaces them.

_PICTURE = 'title = "Picture"\n'
_UNRESTRICTED = ("age_restricted = true\n", "")
_EDITS: dict[str, list[tuple[str, str]]] = {
    "a GPU is gone": [('"A10G", "H100"', '"A10G"')],
    "another default GPU": [('default_gpu = "A10G"', 'default_gpu = "H100"')],
    "choices are gone": [(_PICTURE, _PICTURE + 'inputs = { style = { choices = ["neon"] } }\n')],
    "an option is gone": [(_PICTURE, _PICTURE + "inputs = { negative = { hidden = true } }\n")],
    "text is gone": [(r"\[deployments\.text\]\n(.+\n)+", "")],
    "picture is gone": [(r"\[+deployments\.picture(\.then)?\]+\n(.+\n)+", "")],
    "the follow-up is gone": [(r"\[+deployments\.(picture\.then|upscale)\]+\n(.+\n)+", "")],
    "two have other names": [(r"s\.picture\b", "s.image"), (r"s\.text\b", "s.prose")],
    "all are age-restricted": [_UNRESTRICTED, ("title = ", "age_restricted = true\ntitle = ")],
    "picture is age-restricted": [(_PICTURE, _PICTURE + "age_restricted = true\n")],
    "none is age-restricted": [_UNRESTRICTED],
    "a mistake": [(r"\Z", "\n[deployments.")],
}
_CORRECTED_AFTER = 30.0


@action("change")
async def deployments_change(story: Story, draw: Draw) -> None:
    """Edit deployments.toml and make every process read it; perhaps restore it after some seconds.

    A mistake is always corrected, because otherwise a restarted process would exit.
    """
    what, how, back = draw(what=list(_EDITS), how=("signal", "signal", "command"), back=(None, 3, 15))
    path = story.world.folder / DEPLOYMENTS.name
    original = changed = DEPLOYMENTS.read_text(encoding="utf-8")
    for pattern, replacement in _EDITS[what]:
        changed = re.sub(pattern, replacement, changed)
    path.write_text(changed, encoding="utf-8")
    story.strike(f"deployments.toml: {what}")
    await _reread(story, how)

    async def restore() -> None:
        path.write_text(original, encoding="utf-8")
        story.strike("deployments.toml is as before")
        await _reread(story, how)

    if back is not None or what == "a mistake":
        story.world.later(back or _CORRECTED_AFTER, restore)


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
