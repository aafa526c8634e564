"""Actions: moderators change a server's settings; the bot's owner uses /pause, /resume and /reload."""

from __future__ import annotations

import random
from typing import Any

from tests.simulation.engine.patches import TIME
from tests.simulation.people.requests import MODERATORS
from tests.simulation.setup import Panel, open_panel
from tests.simulation.steps import action
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
Boxes = dict[str, Any]


def _each(box: str, *values: Any) -> list[Boxes]:
    return [{box: value} for value in values]


def _limits(*values: str) -> list[Boxes]:
    names = ("at_once", "waiting", "runs_a_day", "gpu_seconds_a_day")
    return [dict(zip(names, value.split(","), strict=True)) for value in values]


# What moderators change: a section, a key in it, and values of boxes. `#` begins a channel, `@` a role.
_CHANGES: tuple[tuple[str, str, list[Boxes]], ...] = (
    ("approval", "", _each("mode", ["off"], ["off"], ["everybody"], ["everybody"], ["selected"])),
    ("approval", "", _each("mode", ["without_roles"], ["everybody"], ["off"])),
    ("selected", "", _each("gpus", ["H100"], [])),
    ("approval", "", _each("review_channel_id", ["#cards"], ["#reports"], [])),
    ("approval", "", _each("reviewer_role_id", ["@rita"], ["@mike"], ["@alice"])),
    ("results", "", _each("private_results", ["false"], ["true"])),
    ("results", "", _each("spoiler", ["always"], ["never"], ["not_age_restricted"])),
    ("results", "", _each("gallery_channel_id", ["#gallery"], [], ["#adult"])),
    ("pictures", "", _each("flagged", *([each] for each in FLAGGED))),
    ("pictures", "", _each("level", ["strict"], ["normal"], ["explicit"])),
    ("member", "", _limits("1,1,,", "1,8,12,", "3,8,12,30", "2,4,4,")),
    ("server", "", _limits("2,,,", ",3,,", ",,6,60")),
    ("words", "", _each("blocked_add", "badger", "fox1x", "a*")),
    ("words", "", _each("automod", ["none"], ["true"], ["false"])),
    ("gpus", "H100", [*_each("gpu_roles", ["@alice"]), *_each("gpu_roles_all", True)]),
    ("gpus", "A10G", _each("gpu_roles", ["@mona"])),
    ("people", "", [{"account_days": days, "member_days": "0"} for days in ("0", "36500")]),
    ("record", "", _each("retention_days", "1", "30")),
    ("home", "", [{}]),
)


def _draw_setting(chance: random.Random) -> dict[str, Any]:
    section, key, values = chance.choice(_CHANGES)
    place = {"who": chance.choice(MODERATORS), "where": chance.choice(_SERVERS)}
    return {**place, "section": section, "key": key, "boxes": chance.choice(values)}


def _id(story: Story, name: str) -> str:
    if name.startswith("#"):
        return str(story.world.channel(name[1:]).id)
    return str(story.world.person(name[1:]).id) if name.startswith("@") else name


async def change_setting(story: Story, panel: Panel, section: str, key: str = "", **boxes: Any) -> None:
    """Change settings in a section's form, as `Story.flagged` notes for flagged results."""
    given = {
        box: [_id(story, each) for each in value] if isinstance(value, list) else value
        for box, value in boxes.items()
    }
    flagged = next(iter(boxes.get("flagged", [])), "")
    if flagged:
        story.flagged.append((TIME.monotonic, ""))
    await panel.change(section, key, **given)
    if flagged and FLAGGED[flagged] in panel.text:
        story.flagged.append((TIME.monotonic, flagged))


@action("settings", _draw_setting)
async def setting(
    story: Story, who: str, where: str, section: str, key: str, boxes: dict[str, object]
) -> None:
    """Change a setting in the panel of /settings, or remove what doesn't exist any more from the settings."""
    panel = await open_panel(story, who, where)
    before = panel.text
    if section == "home":
        await panel.press("home:tidy")
    else:
        await change_setting(story, panel, section, key, **boxes)
    if panel.text == before:
        story.skip(f"nothing changed in the panel for {section}")
    story.world.note("settings", panel.text)


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
