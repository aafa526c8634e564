"""Actions: moderators change a server's settings; the bot's owner uses /pause, /resume and /reload."""

from __future__ import annotations

import random
from typing import Any

from tests.simulation.engine.patches import TIME
from tests.simulation.people.requests import MODERATORS
from tests.simulation.setup import Panel, open_panel
from tests.simulation.steps import Draw, action
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


def _change(chance: random.Random) -> tuple[str, str, Boxes]:
    section, key, values = chance.choice(_CHANGES)
    return section, key, chance.choice(values)


@action("settings")
async def setting(story: Story, draw: Draw) -> None:
    """Change a setting in the panel of /settings, or remove what doesn't exist any more from the settings."""
    (section, key, boxes), who, where = draw(change=_change, who=MODERATORS, where=_SERVERS)
    panel = await open_panel(story, who, where)
    if section == "home":
        await panel.press("home:tidy")
    else:
        await change_setting(story, panel, section, key, **boxes)
    story.world.note("settings", panel.text)


# The bot's owner.


@action("owner")
async def owners_command(story: Story, draw: Draw) -> None:
    """Use a command of the bot's owner, perhaps as somebody else. The owner resumes a paused bot."""
    who, name = draw(who=("owner", "owner", "alice", "mona"), name=("pause", "pause", "resume", "reload"))
    options = {"reason": "simulated"} if name == "pause" else {}
    await story.answer(await story.slash(who, f"dm:{who}", name, options))
    if name == "pause":
        story.world.later(draw(resume_after=(1, 8, 20)), lambda: resume(story))


async def resume(story: Story) -> None:
    await story.answer(await story.slash("owner", "dm:owner", "resume", {}))
