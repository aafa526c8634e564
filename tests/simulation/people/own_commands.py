"""Actions: people use /runs, /queue, /usage, /help, /privacy and /preset."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any

from tests.fakediscord.actions import CannotSend
from tests.simulation.people.asking import open_list
from tests.simulation.people.requests import MEMBERS, new_mark
from tests.simulation.steps import Skip, action
from tests.simulation.story import Story

_STATES = ("all", "waiting", "running", "done", "failed", "ended", "undelivered")
_PRESETS = ("warm", "cold")


def _where(chance: random.Random, who: str) -> str:
    return chance.choice(("pictures", "requests", "adult", f"dm:{who}", "lounge"))


def _draw_look(chance: random.Random) -> dict[str, Any]:
    who = chance.choice(MEMBERS)
    return {
        "who": who,
        "where": _where(chance, who),
        "name": chance.choice(("runs", "queue", "usage", "help", "preset list")),
    }


@action("command", _draw_look, weight=2)
async def look(story: Story, who: str, where: str, name: str) -> None:
    """Read a list, and turn its pages."""
    shown = await open_list(story, who, where, name)
    for label in ("Older", "More", "Back", "Newer"):
        await story.answer(await story.press(who, shown, label))


@action("usage", ask=range(4), pauses=lambda chance: chance.choices((0.0, 0.5, 1.5, 4.0), k=2))
async def read_usage(story: Story, ask: int, pauses: list[float]) -> None:
    """Read /usage twice while one's own request may be running."""
    if ask >= len(story.asks):
        raise Skip(f"there is no request {ask}")
    asked = story.asks[ask]
    for pause in pauses:
        await asyncio.sleep(pause)
        await open_list(story, asked.who, asked.where, "usage")


# A button beside a line of /runs.
_BESIDE = re.compile(r"runs:\d+:\w+:\w+:\w+")
_CHOICE: dict[str, Any] = {"ask": range(4), "away": 0.3, "nth": range(4), "state": (*[None] * 20, *_STATES)}


@action("press", **_CHOICE, weight=2)
async def choose_in_runs(story: Story, ask: int, nth: int, state: str | None, *, away: bool) -> None:
    """Press a button in /runs: cancel a request, post its result, or show its private result again."""
    asked = story.nth(ask)
    if asked is None:
        raise Skip("there is no request")
    who, where = asked.who, f"dm:{asked.who}" if away else asked.where
    message = await open_list(story, who, where, "runs", {"state": state} if state else {})
    found = [each for each in message.custom_ids if _BESIDE.fullmatch(each)]
    if not found:
        raise Skip(f"/runs offers {who} nothing to press")
    await story.answer(await story.press(who, message, found[nth % len(found)]))


@action("cancel", **_CHOICE, weight=1)
async def choose_soon(story: Story, ask: int, nth: int, state: str | None, *, away: bool) -> None:
    """Choose a request in a select of /runs, soon after it was sent."""
    await choose_in_runs(story, ask, nth, state, away=away)


@action("command", who=MEMBERS, page=("Examples", "My limits", "Commands"))
async def explain(story: Story, who: str, page: str) -> None:
    """Read a page of /help."""
    shown = await open_list(story, who, "pictures", "help")
    await story.answer(await story.press(who, shown, page))


@action("command", who=MEMBERS, typed=("", "w", "zz"))
async def type_preset(story: Story, who: str, typed: str) -> None:
    """Autocomplete the name of a preset."""
    person, channel = story.world.person(who), story.world.channel("pictures")
    try:
        sent = await story.world.discord.autocomplete(
            person, channel, "generate picture", "preset", typed, prompt="a"
        )
    except CannotSend as refusal:
        story.skip(str(refusal))
        return
    await story.answer(sent)


@action("command", who=MEMBERS)
async def export_data(story: Story, who: str) -> None:
    await story.answer(await story.slash(who, f"dm:{who}", "privacy export", {}))


@action("command", who=MEMBERS, sure=0.8)
async def erase(story: Story, who: str, *, sure: bool = True) -> None:
    """Use /privacy delete, and perhaps confirm it."""
    asked = await open_list(story, who, "pictures", "privacy delete")
    if sure:
        await story.answer(await story.press(who, asked, "Delete my data"))


# Presets.


@action(
    "preset",
    ask=range(4),
    name=_PRESETS,
    prompt=(None, "{prompt}, in warm light"),
    seed=0.3,
    server=0.2,
    replace=0.7,
    weight=2,
)
async def save_preset(
    story: Story, ask: int, name: str, prompt: str | None, *, seed: bool, server: bool, replace: bool
) -> None:
    """Save the latest request's inputs as a preset, and perhaps replace an earlier one of the same name."""
    asked = story.nth(ask)
    if asked is None:
        raise Skip("there is no request")
    options: dict[str, Any] = {"name": name, "seed": seed}
    options |= {"prompt": prompt} if prompt else {}
    options |= {"server": True} if server else {}
    saved = await open_list(story, asked.who, asked.where, "preset save", options)
    if replace:
        await story.answer(await story.press(asked.who, saved, "Replace"))


@action("preset", ask=range(4), name=_PRESETS, prompt=0.7, first=0.9, weight=3)
async def use_preset(story: Story, ask: int, name: str, *, prompt: bool, first: bool) -> None:
    """Send a request with a preset, which is usually first saved from the person's latest request."""
    asked = story.nth(ask)
    if asked is None:
        raise Skip("there is no request")
    who, where = asked.who, asked.where
    latest = next(each for each in reversed(story.asks) if each.who == who)
    if first:
        await story.answer(await story.slash(who, where, "preset save", {"name": name}))
    mark = new_mark(story)
    # Without a new prompt, the person would publish the prompt of a private request.
    prompt = prompt or latest.private
    options = {"name": name} | ({"prompt": f"a {mark}"} if prompt else {})
    sent = await story.slash(who, where, "preset use", options)
    if sent is not None:
        facts: dict[str, Any] = {"private": False, "count": 1, "deployment": latest.deployment}
        facts |= {"mark": mark} if prompt else {"mark": latest.mark, "parent": latest.number}
        story.asked(who, where, sent, how="preset", options=options, **facts)


@action("preset", who=MEMBERS, name=_PRESETS, server=0.2)
async def delete_preset(story: Story, who: str, name: str, *, server: bool) -> None:
    await story.answer(await story.slash(who, "pictures", "preset delete", {"name": name, "server": server}))
