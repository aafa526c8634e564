"""Actions: moderators change a server's settings; the bot's owner uses /pause, /resume and /reload."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.simulation.engine.patches import TIME
from tests.simulation.people.asking import held_run, release_all, request
from tests.simulation.people.requests import MEMBERS, MODERATORS
from tests.simulation.setup import Panel, open_panel
from tests.simulation.steps import Draw, Skip, action, sample
from tests.simulation.story import Guard, Story
from tests.simulation.trouble.places import edit_deployments, leave_server

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


@action("panels")
async def two_forms(story: Story, draw: Draw) -> None:
    """Let two moderators open the same form, and submit different values one after the other."""
    panels = [await open_panel(story, who, "pictures") for who in MODERATORS]
    forms = [await panel.press("results:open") for panel in panels]
    texts = [panels[0].text]
    for form, value in zip(forms, draw(values=sample(("always", "not_age_restricted"), 2)), strict=True):
        if form is None or form.modal is None:
            raise Skip("no form opened")
        boxes = [str(label["component"]["custom_id"]) for label in form.modal["components"]]
        given = {box: [value] for box in boxes if box.startswith("spoiler:")}
        await story.answer(await story.submit(form, given))
        texts.append((await open_panel(story, MODERATORS[0], "pictures")).text)
    if texts[0] == texts[1]:
        raise Skip("the first form changed nothing, so the second isn't stale")
    story.panels.append((texts[1], texts[2]))


def _guard(story: Story, *, approved: bool) -> None:
    story.guards.append(Guard(TIME.monotonic, story.world.cast.guilds["studio"], "H100", approved))


@action("panels")
async def choose_without_a_gpu(story: Story, draw: Draw) -> None:
    """Change the GPUs that need approval while one of them isn't offered, and request that GPU later."""
    panel = await open_panel(story, "mona", "pictures")
    await panel.change("approval", mode=["selected"])
    await panel.change("selected", gpus=["H100"])
    _guard(story, approved=True)
    await edit_deployments(story, "a GPU is gone", 8.0)
    await asyncio.sleep(4)
    later = await open_panel(story, "mike", "pictures")
    await later.change("selected", gpus=["A10G"])
    await asyncio.sleep(8)
    await request(story, draw(who=MEMBERS), "pictures", gpu="H100")
    await asyncio.sleep(4)


@action("panels")
async def tidy_a_role(story: Story, draw: Draw) -> None:
    """Allow a GPU only to a role that is deleted then, remove it from the settings, and ask for the GPU."""
    panel = await open_panel(story, "mona", "pictures")
    await panel.change("gpus", "H100", gpu_roles=[_id(story, "@carol")])
    _guard(story, approved=False)
    leave_server(story, "carol", "studio")
    await asyncio.sleep(1)
    later = await open_panel(story, "mike", "pictures")
    await later.press("home:tidy")
    await request(story, draw(who=("alice", "bob")), "pictures", gpu="H100")
    await asyncio.sleep(4)


@action("panels")
async def choice_goes(story: Story, draw: Draw) -> None:
    """Remove a choice that a waiting request has made."""
    (who, other), style = draw(people=sample(MEMBERS, 2), style=("photo", "ink"))
    story.world.next_faults({"hold_at": "running"})
    await held_run(story, who, "pictures", count=2)
    await request(story, other, "pictures", style=style)
    await edit_deployments(story, "choices are gone", None)
    await asyncio.sleep(8)
    release_all(story)
    await asyncio.sleep(10)


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
