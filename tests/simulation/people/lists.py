"""Actions: people use /runs, /queue, /usage, /help, /privacy and /preset."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from tests.simulation.people.asking import open_list
from tests.simulation.people.requests import MEMBERS, made, new_mark
from tests.simulation.steps import Choice, Draw, Skip, action
from tests.simulation.story import Ask, Story

_STATES = ("all", "waiting", "running", "done", "failed", "ended", "undelivered")
# Lists, and the buttons that lead to their other pages.
_PAGES = {
    "runs": ("Older", "Newer"),
    "queue": ("More", "Back"),
    "usage": (),
    "help": ("Examples", "My limits", "Commands"),
    "preset list": ("Older", "Newer"),
}
_PRESETS = ("warm", "cold")


def _nth(story: Story, number: int) -> Ask:
    asked = story.nth(number)
    if asked is None:
        raise Skip("there is no request")
    return asked


@action("command", weight=3)
async def look(story: Story, draw: Draw) -> None:
    """Read a list, and turn its pages."""
    who, name = draw(who=MEMBERS, name=list(_PAGES))
    where = draw(where=("pictures", "requests", "adult", f"dm:{who}", "lounge"))
    shown = await open_list(story, who, where, name)
    for label in _PAGES[name]:
        await story.answer(await story.press(who, shown, label))


@action("usage")
async def read_usage(story: Story, draw: Draw) -> None:
    """Read /usage twice while one's own request may be running."""
    asked = _nth(story, draw(ask=range(4)))
    for pause in draw(pauses=lambda chance: chance.choices((0.0, 0.5, 1.5, 4.0), k=2)):
        await asyncio.sleep(pause)
        await open_list(story, asked.who, asked.where, "usage")


# A button beside a line of /runs.
_BESIDE = re.compile(r"runs:\d+:\w+:\w+:\w+")


@action("press", weight=2)
async def choose_in_runs(story: Story, draw: Draw) -> None:
    """Press a button in /runs: cancel a request, post its result, or show its private result again."""
    number, away, nth, state = draw(ask=range(4), away=0.3, nth=range(4), state=(*[None] * 20, *_STATES))
    asked = _nth(story, number)
    where = f"dm:{asked.who}" if away else asked.where
    message = await open_list(story, asked.who, where, "runs", {"state": state} if state else {})
    found = [each for each in message.custom_ids if _BESIDE.fullmatch(each)]
    if not found:
        raise Skip(f"/runs offers {asked.who} nothing to press")
    await story.answer(await story.press(asked.who, message, found[nth % len(found)]))


@action("cancel")
async def choose_soon(story: Story, draw: Draw) -> None:
    """Press a button in /runs soon after a request was sent."""
    await choose_in_runs(story, draw)


@action("command")
async def privacy(story: Story, draw: Draw) -> None:
    """Export one's data, or delete it."""
    who, name, sure = draw(who=MEMBERS, name=("privacy export", "privacy delete"), sure=0.8)
    shown = await open_list(story, who, f"dm:{who}" if name == "privacy export" else "pictures", name)
    if sure:
        await story.answer(await story.press(who, shown, "Delete my data"))


# Presets.

_PRESET: dict[str, Choice] = {"ask": range(4), "name": _PRESETS}


@action("preset", weight=2)
async def save_preset(story: Story, draw: Draw) -> None:
    """Save the latest request's inputs as a preset, and perhaps replace an earlier one of the same name."""
    number, name, prompt = draw(**_PRESET, prompt=(None, "{prompt}, in warm light"))
    seed, server, replace = draw(seed=0.3, server=0.2, replace=0.7)
    asked = _nth(story, number)
    options: dict[str, Any] = {"name": name, "seed": seed}
    options |= {"prompt": prompt} if prompt else {}
    options |= {"server": True} if server else {}
    saved = await open_list(story, asked.who, asked.where, "preset save", options)
    if replace:
        await story.answer(await story.press(asked.who, saved, "Replace"))


@action("preset", weight=3)
async def use_preset(story: Story, draw: Draw) -> None:
    """Send a request with a preset, which is usually first saved from the person's latest request."""
    number, name, first = draw(**_PRESET, first=0.9)
    asked = _nth(story, number)
    who, where = asked.who, asked.where
    latest = next(each for each in reversed(story.asks) if each.who == who)
    if first:
        await story.answer(await story.slash(who, where, "preset save", {"name": name}))
    mark = new_mark(story)
    # Without a new prompt, the person would publish the prompt of a private request.
    prompt = draw(prompt=0.7) or latest.private
    options = {"name": name} | ({"prompt": f"a {mark}"} if prompt else {})
    sent = await story.slash(who, where, "preset use", options)
    if sent is not None:
        facts: dict[str, Any] = {"mark": mark} if prompt else {"mark": latest.mark, "parent": latest.number}
        made(story, sent, "preset", deployment=latest.deployment, options=options, **facts)


@action("preset")
async def delete_preset(story: Story, draw: Draw) -> None:
    who, name, server = draw(who=MEMBERS, name=_PRESETS, server=0.2)
    await story.answer(await story.slash(who, "pictures", "preset delete", {"name": name, "server": server}))
