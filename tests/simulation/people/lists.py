"""Actions: people use the commands that show or change lists, and press what they offer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.simulation.people.asking import open_list, request
from tests.simulation.people.requests import MEMBERS, MODERATORS, made, new_mark
from tests.simulation.steps import Draw, Skip, action
from tests.simulation.story import Ask, Story

_SERVERS = ("pictures", "requests")
_EVERYWHERE = (*_SERVERS, "adult", "lounge", "dm")
_STATES = ("all", "waiting", "running", "done", "failed", "ended", "undelivered")
_PRESETS = ("warm", "cold")
_AUDITED = ("request", "outcome", "approve", "delete", "refusal")


class List(NamedTuple):
    """A command: its weight, who uses it where, and its options, each with its probability and values.

    `presses` are labels of components that they press in the answer.
    """

    weight: float
    people: tuple[str, ...] = MEMBERS
    places: tuple[str, ...] = _EVERYWHERE
    options: Mapping[str, tuple[float, tuple[Any, ...]]] = {}
    presses: tuple[str, ...] = ()


_LISTS = {
    "runs": List(1, options={"state": (0.2, _STATES)}, presses=("Older", "Newer")),
    "queue": List(1, presses=("More", "Back")),
    "usage": List(1),
    "help": List(1, presses=("Examples", "My limits", "Commands")),
    "privacy export": List(0.5, places=("dm",)),
    "privacy delete": List(0.5, places=("pictures",), presses=("Delete my data",)),
    "preset list": List(1, presses=("Older", "Newer")),
    "preset save": List(
        2,
        options={
            "name": (1, _PRESETS),
            "seed": (0.3, (True,)),
            "prompt": (0.5, ("{prompt}, in warm light",)),
            "server": (0.2, (True,)),
        },
        presses=("Replace",),
    ),
    "preset delete": List(1, places=("pictures",), options={"name": (1, _PRESETS), "server": (0.2, (True,))}),
    "audit": List(
        2,
        MODERATORS,
        _SERVERS,
        {"action": (0.3, _AUDITED), "outcome": (0.2, ("succeeded", "failed", "cancelled"))},
        ("CSV file",),
    ),
}


def _options(chance: random.Random, name: str) -> dict[str, Any]:
    given = _LISTS[name].options.items()
    return {option: chance.choice(values) for option, (likely, values) in given if chance.random() < likely}


def _nth(story: Story, number: int) -> Ask:
    asked = story.nth(number)
    if asked is None:
        raise Skip("there is no request")
    return asked


@action("command")
async def use_list(story: Story, draw: Draw) -> None:
    """Use a command, and press buttons in its answer. A requester may just have made a private result."""
    name = draw(name={name: each.weight for name, each in _LISTS.items()})
    used = _LISTS[name]
    who, where = draw(who=used.people, where=used.places)
    options, sure = draw(options=lambda chance: _options(chance, name), sure=0.8)
    if name == "audit" and draw(new=0.3):
        await request(story, "alice", "pictures", private=True)
        await asyncio.sleep(6)
    shown = await open_list(story, who, f"dm:{who}" if where == "dm" else where, name, options)
    offered = [each for each in shown.custom_ids if each.startswith("auditopen:")]
    for control in (*used.presses, *offered[:1]) if sure else ():
        await story.answer(await story.press(who, shown, control))


@action("press", weight=2)
async def choose_in_runs(story: Story, draw: Draw) -> None:
    """Press a button in /runs: cancel a request, post its result, or show its private result again."""
    number, away, nth = draw(ask=range(4), away=0.3, nth=range(4))
    asked = _nth(story, number)
    message = await open_list(story, asked.who, f"dm:{asked.who}" if away else asked.where, "runs")
    found = [each for each in message.custom_ids if each.startswith("runs:") and ":page:" not in each]
    if not found:
        raise Skip(f"/runs offers {asked.who} nothing to press")
    await story.answer(await story.press(asked.who, message, found[nth % len(found)]))


@action("cancel")
async def choose_soon(story: Story, draw: Draw) -> None:
    """Press a button in /runs soon after a request was sent."""
    await choose_in_runs(story, draw)


@action("preset")
async def use_preset(story: Story, draw: Draw) -> None:
    """Send a request with a preset, which is usually first saved from the person's latest request."""
    number, name, first = draw(ask=range(4), name=_PRESETS, first=0.9)
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
        made(story, sent, "preset", deployment=latest.deployment, **facts)
