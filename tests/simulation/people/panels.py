"""Actions: settings change while a form is open, and deployments change while requests wait."""

from __future__ import annotations

import asyncio

from tests.fakediscord.faults import Fault
from tests.simulation.engine.patches import TIME
from tests.simulation.people.asking import release_all, request, started
from tests.simulation.people.moderators import open_cards
from tests.simulation.people.requests import MEMBERS, MODERATORS
from tests.simulation.setup import open_panel
from tests.simulation.steps import Skip, action
from tests.simulation.story import Guard, Story
from tests.simulation.trouble.changes import deployments_change
from tests.simulation.trouble.deaths import kill_after_call
from tests.simulation.trouble.services import POST

_SPOILERS = ("always", "not_age_restricted")


@action("panels", values=lambda chance: chance.sample(_SPOILERS, 2))
async def two_forms(story: Story, values: list[str]) -> None:
    """Let two moderators open the same form, and submit different values one after the other."""
    panels = [await open_panel(story, who, "pictures") for who in MODERATORS]
    forms = [await panel.press("results:open") for panel in panels]
    texts = [panels[0].text]
    for who, form, value in zip(MODERATORS, forms, values, strict=True):
        if form is None or form.modal is None:
            raise Skip(f"{who} got no form")
        boxes = [str(label["component"]["custom_id"]) for label in form.modal["components"]]
        given = {box: [value] for box in boxes if box.startswith("spoiler:")}
        await story.answer(await story.submit(form, given))
        texts.append((await open_panel(story, MODERATORS[0], "pictures")).text)
    if texts[0] == texts[1]:
        raise Skip("the first form changed nothing, so the second isn't stale")
    story.panels.append((texts[1], texts[2]))


def _guard(story: Story, *, approved: bool) -> None:
    story.guards.append(Guard(TIME.monotonic, story.world.cast.guilds["studio"], "H100", approved))


@action("panels", who=MEMBERS)
async def choose_without_a_gpu(story: Story, who: str) -> None:
    """Change the GPUs that need approval while one of them isn't offered, and request that GPU later."""
    panel = await open_panel(story, "mona", "pictures")
    await panel.change("approval", mode=["selected"])
    await panel.change("selected", gpus=["H100"])
    _guard(story, approved=True)
    await deployments_change(story, "a GPU is gone", "signal", 8.0)
    await asyncio.sleep(4)
    later = await open_panel(story, "mike", "pictures")
    await later.change("selected", gpus=["A10G"])
    await asyncio.sleep(8)
    await request(story, who, "pictures", gpu="H100")
    await asyncio.sleep(4)


@action("panels", who=("alice", "bob"))
async def tidy_a_role(story: Story, who: str) -> None:
    """Allow a GPU only to a role that is deleted then, remove it from the settings, and ask for the GPU."""
    world, guild = story.world, story.world.cast.guilds["studio"]
    panel = await open_panel(story, "mona", "pictures")
    if world.person("carol").id not in guild.members:
        raise Skip("nobody leaves")
    await panel.change("gpus", "H100", gpu_roles=[str(world.person("carol").id)])
    _guard(story, approved=False)
    world.discord.leave(guild, world.person("carol"))
    story.strike("carol leaves studio")
    await asyncio.sleep(1)
    later = await open_panel(story, "mike", "pictures")
    await later.press("home:tidy")
    await request(story, who, "pictures", gpu="H100")
    await asyncio.sleep(4)


@action("panels", people=lambda chance: chance.sample(MEMBERS, 2), style=("photo", "ink"))
async def choice_goes(story: Story, people: list[str], style: str) -> None:
    """Remove a choice that a waiting request has made."""
    for _ in range(2):
        story.world.next_faults({"hold_at": "running"})
    await started(story, await request(story, people[0], "pictures", count=2), status="running")
    await request(story, people[1], "pictures", style=style)
    await deployments_change(story, "choices are gone", "signal", None)
    await asyncio.sleep(8)
    release_all(story)
    await asyncio.sleep(10)


@action("panels", where=("elsewhere", "studio"))
async def invite_again(story: Story, where: str) -> None:
    """Remove the bot from a server and invite it again, twice."""
    guild = story.world.cast.guilds[where]
    for _ in range(2):
        if guild.bot_present:
            story.world.discord.remove_bot(guild)
            story.strike(f"the bot is removed from {where}")
        await asyncio.sleep(2)
        story.world.discord.invite_bot(guild)
        story.strike(f"the bot is invited to {where} again")
        await asyncio.sleep(3)


@action(
    "panels",
    who=MEMBERS,
    moderator=MODERATORS,
    label=("Reject", "Reject", "Block"),
    count=(1, 2, 3),
    trouble=(None, None, "kill", "lost"),
    weight=3,
)
async def turned_away(
    story: Story, who: str, moderator: str, label: str, count: int, *, trouble: str | None
) -> None:
    """Reject requests or block their requester, perhaps while the bot is killed or loses a reply."""
    for _ in range(count):
        await request(story, who, "requests")
    await story.world.until(lambda: len(open_cards(story)) >= count, 8)
    if trouble == "kill":
        kill_after_call(story, POST, nth=1, back=2.0)
    elif trouble == "lost":
        story.world.discord.faults.add(POST, Fault.lose_reply(), times=1)
        story.strike("Discord: the next POST: lost")
    for card in open_cards(story)[: 1 if label == "Block" else count]:
        opened = await story.answer(await story.press(moderator, card, label))
        values = {"reason": "not here"}
        if opened is not None and "'duration'" in str(opened.modal):
            values["duration"] = "hour"
        await story.answer(await story.submit(opened, values))
    await asyncio.sleep(12)
