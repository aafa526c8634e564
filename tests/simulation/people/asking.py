"""Helpers for actions: send a request, wait for its run or messages, and press its buttons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from demo.fake_comfydeploy.runs import Run
from tests.fakediscord.world import Message
from tests.simulation.evidence import is_status
from tests.simulation.people.reach import labels_of
from tests.simulation.people.requests import new_mark
from tests.simulation.steps import Skip
from tests.simulation.story import Ask, Story
from tests.simulation.world import LURID


async def request(
    story: Story, who: str, where: str, deployment: str = "picture", *, lurid: bool = False, **options: Any
) -> Ask:
    """Send /generate with a unique prompt, and wait for the answer.

    Raises Skip if Discord's client refuses it.
    """
    mark = new_mark(story)
    given = {"prompt": f"a {mark} {LURID}" if lurid else f"a {mark}"} | {
        name: value for name, value in options.items() if value != 1
    }
    sent = await story.slash(who, where, f"generate {deployment}", given)
    if sent is None:
        raise Skip("the request wasn't sent")
    facts = {"private": bool(given.get("private")), "count": int(given.get("count", 1))}
    asked = story.asked(who, where, sent, mark=mark, deployment=deployment, options=given, **facts)
    await story.answer(sent)
    return asked


async def open_list(
    story: Story, who: str, where: str, name: str, options: Mapping[str, Any] = {}
) -> Message:
    """Use a command, and return the message that only its user sees. Raises Skip if there is none."""
    sent = await story.answer(await story.slash(who, where, name, options))
    if sent is None or sent.original is None:
        raise Skip(f"/{name} wasn't answered")
    return sent.original


def runs_of(story: Story, ask: Ask) -> list[Run]:
    """Return the runs at ComfyDeploy whose prompt has the request's mark."""
    runs = story.world.comfydeploy.runs
    return [run for run in runs if ask.mark in str(run.inputs.get("prompt", "")).split()]


async def started(story: Story, ask: Ask, *, status: str = "") -> Run:
    """Wait until ComfyDeploy has a run of a request, in a certain status if one is given.

    Raises Skip if there is none in time.
    """

    def found() -> list[Run]:
        return [run for run in runs_of(story, ask) if status in ("", run.status)]

    if not await story.world.until(found, 10):
        raise Skip("no run started")
    return found()[0]


async def held_run(
    story: Story, who: str, where: str, *deployment: str, faults: Mapping[str, Any] = {}, **options: Any
) -> tuple[Ask, Run]:
    """Send a request whose run stays `running` until it is released. Raises Skip if none starts."""
    story.world.next_faults({"hold_at": "running", **faults})
    asked = await request(story, who, where, *deployment, **options)
    return asked, await started(story, asked, status="running")


def release_all(story: Story) -> None:
    """Let all held runs go on."""
    for run in story.world.comfydeploy.runs:
        if run.released.is_waited_for:
            story.world.comfydeploy.release(run.id)


async def result(story: Story, who: str, where: str, *deployment: str, **options: Any) -> tuple[Ask, Message]:
    """Send a request, and wait for a message with its files. Raises Skip if there is none."""
    asked = await request(story, who, where, *deployment, **options)
    shown = await outcome(story, asked)
    if shown is None:
        raise Skip("no result appeared")
    return asked, shown


def messages_of(story: Story, ask: Ask, who: str | None = None) -> list[Message]:
    """Return the public outcomes of a request that a person can see, newest first."""
    return [m for m in reversed(story.of_ask(ask, who)) if not is_status(m) and not m.ephemeral]


async def outcome(story: Story, ask: Ask | None, within: float = 15, *, files: bool = True) -> Message | None:
    """Wait until the requester sees an outcome, by default one with files; None if there is none."""

    def found() -> list[Message]:
        shown = messages_of(story, ask) if ask is not None else []
        return [m for m in shown if m.attachments or not files]

    await story.world.until(found, within)
    return next(iter(found()), None)


async def press_when_shown(story: Story, who: str, ask: Ask, label: str, within: float) -> bool:
    """Press a button as soon as a message about a request has it; return whether it was answered."""

    def found() -> list[Message]:
        return [m for m in reversed(story.of_ask(ask, who)) if label in set(labels_of(m))]

    await story.world.until(found, within)
    shown = found()
    return bool(shown) and await story.answer(await story.press(who, shown[0], label)) is not None
