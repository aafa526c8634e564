"""Actions: deployments.toml, roles, members, channels and the bot's own membership change."""

from __future__ import annotations

import signal
import tomllib
from typing import Any

from tests.fakediscord.world import MEMBER, MODERATOR
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story
from tests.simulation.world import DEPLOYMENTS, MANAGER

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


_CORRECTED_AFTER = 30.0


@action(
    "change", what=(*_EDITS, "a mistake"), how=("signal", "signal", "command"), back=(None, 3, 15), weight=4
)
async def deployments_change(story: Story, what: str, how: str, back: float | None) -> None:
    """Edit deployments.toml and make every process read it; perhaps restore it after some seconds.

    A mistake is always corrected, because otherwise a restarted process would exit.
    """
    path = story.world.folder / DEPLOYMENTS.name
    original = DEPLOYMENTS.read_text(encoding="utf-8")
    if what == "a mistake":
        path.write_text(original + "\n[deployments.", encoding="utf-8")
    else:
        deployments = tomllib.loads(original)["deployments"]
        _edit(deployments, _EDITS[what])
        path.write_text(_toml(deployments), encoding="utf-8")
    story.strike(f"deployments.toml: {what}")
    await _reread(story, how)
    if back is not None or what == "a mistake":

        async def restore() -> None:
            path.write_text(original, encoding="utf-8")
            story.strike("deployments.toml is as before")
            await _reread(story, how)

        story.world.later(back or _CORRECTED_AFTER, restore)


async def _reread(story: Story, how: str) -> None:
    if how == "command":
        await story.slash("owner", "dm:owner", "reload", {})
    else:
        for process in story.world.running:
            process.signal(signal.SIGHUP)


def _toml(deployments: Deployments) -> str:
    lines: list[str] = []
    for name, deployment in deployments.items():
        lines += ["", f"[deployments.{name}]"]
        lines += [f"{key} = {_value(value)}" for key, value in deployment.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


# Roles, members and the bot itself.

_ROLES = {"mona": MANAGER, "mike": MANAGER, "alice": MEMBER, "bob": MEMBER}
_PERMISSIONS = {"nothing special": MEMBER, "moderator": MODERATOR, "manager": MANAGER}


@action(
    "change",
    who=list(_ROLES),
    where=("studio", "reviewed"),
    role=("moderator", "manager"),
    back=(None, 5),
    weight=2,
)
async def role_changes(story: Story, who: str, where: str, role: str, back: float | None) -> None:
    """Change the permissions of a member's role, and perhaps restore them after some seconds."""
    discord, guild = story.world.discord, story.world.cast.guilds[where]
    person, earlier = story.world.person(who), guild.members.get(story.world.person(who).id)
    if earlier is None:
        raise Skip(f"{who} isn't on {where}")
    role = "nothing special" if who in ("mona", "mike") else role
    discord.set_member_permissions(guild, person, _PERMISSIONS[role])
    story.strike(f"{who} is {role} on {where} now")

    def restore() -> None:
        if person.id in guild.members:
            discord.set_member_permissions(guild, person, earlier)
            story.strike(f"{who} has the earlier permissions on {where}")

    if back is not None:
        story.world.later(back, restore)


@action("change")
async def reviewer_loses_role(story: Story) -> None:
    guild = story.world.cast.guilds["reviewed"]
    if story.reviewers.pop("rita", None) is None:
        raise Skip("rita has no role to lose")
    story.world.discord.take_role(guild, story.world.person("rita"))
    story.strike("rita loses the reviewer role")


@action("change", who=(*MEMBERS, "mike", "rita"), where=("studio", "reviewed"))
async def member_leaves(story: Story, who: str, where: str) -> None:
    guild, person = story.world.cast.guilds[where], story.world.person(who)
    if person.id not in guild.members:
        raise Skip(f"{who} isn't on {where}")
    if where == "reviewed":
        story.reviewers.pop(who, None)
    story.world.discord.leave(guild, person)
    story.strike(f"{who} leaves {where}")


@action("change", who=MEMBERS, where=("pictures", "requests", "adult"))
async def member_loses_channel(story: Story, who: str, where: str) -> None:
    """Hide a channel from a member."""
    channel = story.world.channel(where)
    if channel.deleted:
        raise Skip(f"#{where} is gone")
    story.world.discord.hide(channel, story.world.person(who))
    story.strike(f"{who} can't see #{where} any more")


@action("change", where=("studio", "reviewed", "elsewhere"), back=(None, 4, 20))
async def bot_is_removed(story: Story, where: str, back: float | None) -> None:
    """Remove the bot from a server, and perhaps invite it again after some seconds."""
    discord, guild = story.world.discord, story.world.cast.guilds[where]
    if not guild.bot_present:
        raise Skip(f"the bot isn't on {where}")
    discord.remove_bot(guild)
    story.strike(f"the bot is removed from {where}")

    def invite() -> None:
        discord.invite_bot(guild)
        story.strike(f"the bot is invited to {where} again")

    if back is not None:
        story.world.later(back, invite)


@action("change", archived=0.7, locked=0.5, gone=0.3)
async def thread_closes(story: Story, *, archived: bool, locked: bool, gone: bool) -> None:
    """Archive, lock or delete the thread."""
    thread = story.world.channel("thread")
    if thread.deleted:
        story.skip("the thread is gone")
    elif gone:
        story.removed += list(thread.messages.values())
        story.world.discord.delete_channel(thread)
        story.strike("the thread is deleted")
    else:
        story.world.discord.set_thread(thread, archived=archived, locked=locked)
        story.strike(f"the thread is {'archived' if archived else 'open'}{' and locked' if locked else ''}")
