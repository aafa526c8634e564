"""Actions: moderators change a server's settings; the bot's owner uses /pause, /resume and /reload."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from tests.simulation.engine.patches import TIME
from tests.simulation.people.requests import MODERATORS
from tests.simulation.setup import Panel, open_panel
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story

# The channels in which moderators open the settings of each server.
_SERVERS = ("pictures", "requests")
# What the panel says about flagged results, by the value of the setting.
FLAGGED = {
    "off": "Flagged results: not checked",
    "spoiler": "Flagged results: posted as a spoiler",
    "hold": "Flagged results: held for the moderators",
    "hide": "Flagged results: not shown",
}
Change = Callable[[Panel, Any, Story], Awaitable[None]]


async def _approval(panel: Panel, value: str, _: Story) -> None:
    await panel.change("approval", mode=[value])


async def _review_channel(panel: Panel, value: str, story: Story) -> None:
    await panel.change("approval", review_channel_id=_channel(value, story))


async def _reviewer(panel: Panel, value: str, story: Story) -> None:
    await panel.change("approval", reviewer_role_id=[str(story.world.person(value).id)])


async def _approval_for(panel: Panel, value: list[str], _: Story) -> None:
    await panel.change("selected", gpus=value)


async def _private(panel: Panel, value: str, _: Story) -> None:
    await panel.change("results", private_results=[value])


async def _spoiler(panel: Panel, value: str, _: Story) -> None:
    await panel.change("results", spoiler=[value])


async def choose_gallery(panel: Panel, value: str, story: Story) -> None:
    await panel.change("results", gallery_channel_id=_channel(value, story))


def _channel(name: str, story: Story) -> list[str]:
    return [] if name == "none" else [str(story.world.channel(name).id)]


async def _pictures(panel: Panel, value: str, story: Story) -> None:
    """Change what happens to flagged results on Studio, as `Story.flagged` notes."""
    story.flagged.append((TIME.monotonic, ""))
    await panel.change("pictures", flagged=[value])
    if FLAGGED[value] in panel.text:
        story.flagged.append((TIME.monotonic, value))


async def _level(panel: Panel, value: str, _: Story) -> None:
    await panel.change("pictures", level=[value])


async def _budget(panel: Panel, value: list[str], _: Story) -> None:
    await panel.change("member", **dict(zip(_NUMBERS, value, strict=True)))


async def _server_budget(panel: Panel, value: list[str], _: Story) -> None:
    await panel.change("server", **dict(zip(_NUMBERS, value, strict=True)))


async def _words(panel: Panel, value: str, _: Story) -> None:
    await panel.change("words", blocked_add=value)


async def _automod(panel: Panel, value: str, _: Story) -> None:
    await panel.change("words", automod=[value])


async def _gpu(panel: Panel, value: list[str], story: Story) -> None:
    """Allow a GPU only to the role of one person, or to everybody."""
    gpu, person = value
    if person == "everybody":
        await panel.change("gpus", gpu, gpu_roles_all=True)
    else:
        await panel.change("gpus", gpu, gpu_roles=[str(story.world.person(person).id)])


async def _ages(panel: Panel, value: list[str], _: Story) -> None:
    await panel.change("people", account_days=value[0], member_days=value[1])


async def _retention(panel: Panel, value: str, _: Story) -> None:
    await panel.change("record", retention_days=value)


async def _tidy(panel: Panel, _value: str, _: Story) -> None:
    """Remove what doesn't exist any more from the settings."""
    await panel.press("home:tidy")


_NUMBERS = ("at_once", "waiting", "runs_a_day", "gpu_seconds_a_day")
_CHANGES: dict[str, tuple[Change, tuple[Any, ...]]] = {
    "approval": (_approval, ("off", "off", "everybody", "everybody", "selected", "without_roles")),
    "approval for": (_approval_for, (["H100"], [])),
    "review channel": (_review_channel, ("cards", "reports", "none")),
    "reviewer": (_reviewer, ("rita", "mike", "alice")),
    "private": (_private, ("false", "true")),
    "spoiler": (_spoiler, ("always", "never", "not_age_restricted")),
    "pictures": (_pictures, tuple(FLAGGED)),
    "level": (_level, ("strict", "normal", "explicit")),
    "gallery": (choose_gallery, ("gallery", "none", "adult")),
    "budget": (
        _budget,
        (["1", "1", "", ""], ["1", "8", "12", ""], ["3", "8", "12", "30"], ["2", "4", "4", ""]),
    ),
    "server budget": (_server_budget, (["2", "", "", ""], ["", "3", "", ""], ["", "", "6", "60"])),
    "words": (_words, ("badger", "fox1x", "a*")),
    "automod": (_automod, ("none", "true", "false")),
    "gpu": (_gpu, (["H100", "alice"], ["A10G", "mona"], ["H100", "everybody"])),
    "ages": (_ages, (["0", "0"], ["36500", "0"])),
    "retention": (_retention, ("1", "30")),
    "tidy": (_tidy, ("",)),
}


def _draw_setting(chance: random.Random) -> dict[str, Any]:
    what = chance.choice(list(_CHANGES))
    return {
        "who": chance.choice(MODERATORS),
        "where": chance.choice(_SERVERS),
        "what": what,
        "value": chance.choice(_CHANGES[what][1]),
    }


@action("settings", _draw_setting, weight=4)
async def setting(story: Story, who: str, where: str, what: str, value: Any) -> None:
    """Change a setting in the panel of /settings."""
    panel = await open_panel(story, who, where)
    if panel is None:
        raise Skip("/settings showed no panel")
    before = panel.text
    await _CHANGES[what][0](panel, value, story)
    if panel.text == before:
        story.skip(f"nothing changed in the panel for {what}")
    story.world.note("settings", panel.text)


@action("settings", where=_SERVERS, values=(["off", "everybody"], ["everybody", "off"]))
async def two_set(story: Story, where: str, values: list[str]) -> None:
    """Let two moderators open panels, then change the same setting one after the other."""
    panels = [await open_panel(story, who, where) for who in MODERATORS]
    for panel, value in zip(panels, values, strict=True):
        if panel is not None:
            await _approval(panel, value, story)


# The bot's owner.


@action("owner", resume_after=lambda chance: chance.uniform(1, 20), weight=2)
async def pause(story: Story, resume_after: float) -> None:
    """Pause the bot, and resume it after some seconds."""
    await story.answer(await story.slash("owner", "dm:owner", "pause", {"reason": "simulated"}))
    story.world.later(resume_after, lambda: resume(story))


async def resume(story: Story) -> None:
    await story.answer(await story.slash("owner", "dm:owner", "resume", {}))


@action("owner", who=("alice", "mona"), name=("pause", "resume", "reload"))
async def not_the_owner(story: Story, who: str, name: str) -> None:
    """Use a command of the bot's owner as somebody else."""
    options = {"reason": "mine"} if name == "pause" else {}
    await story.answer(await story.slash(who, f"dm:{who}", name, options))


@action("owner")
async def reload(story: Story) -> None:
    await story.answer(await story.slash("owner", "dm:owner", "reload", {}))
