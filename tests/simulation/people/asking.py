"""Helpers for actions: send a request, wait for its run or messages, press its buttons and fill in forms."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from demo.fake_comfydeploy.runs import Run
from tests.fakediscord.interactions import Interaction, Type
from tests.fakediscord.world import Message
from tests.simulation.engine.patches import TIME
from tests.simulation.evidence import is_status
from tests.simulation.people.requests import derived, made, new_mark, send
from tests.simulation.steps import Skip
from tests.simulation.story import Ask, Story

MORE = "⋯ More"
# Actions of buttons that start a request at once, and how the request is made.
_STARTS = {"again": "again", "repeat": "again", "vary": "vary"}
# The length of a follow-up's name in the custom_id of a draft, which starts without a form.
_FOLLOW_UP = 40
# The prefix of each report's note.
_NOTE = "reportnote"
_REASONS = ("rules", "harassment", "sexual", "other")


async def request(story: Story, who: str, where: str, deployment: str = "picture", **options: Any) -> Ask:
    """Send /generate with a unique prompt, and wait for the answer."""
    asked = await send(story, who, where, deployment, **options)
    await story.answer(asked.interaction)
    return asked


async def open_list(
    story: Story, who: str, where: str, name: str, options: Mapping[str, Any] = {}
) -> Message:
    """Use a command, and return the message that only its user sees. Raises Skip if there is none."""
    sent = await story.answer(await story.slash(who, where, name, options))
    if sent is None or sent.original is None:
        raise Skip(f"/{name} wasn't answered")
    return sent.original


# Waiting.


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


async def held_run(story: Story, who: str, where: str, *deployment: str, **options: Any) -> tuple[Ask, Run]:
    """Send a request whose run stays `running` until it is released. Raises Skip if none starts."""
    story.world.next_faults({"hold_at": "running"})
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
    return asked, await outcome(story, asked)


async def outcome(story: Story, ask: Ask, within: float = 15) -> Message:
    """Wait until the requester sees a public outcome with files.

    Raises Skip if there is none in time.
    """

    def found() -> list[Message]:
        shown = [m for m in reversed(story.of_ask(ask)) if not is_status(m) and not m.ephemeral]
        return [m for m in shown if m.attachments]

    # Reading all messages is slow.
    if not await story.world.until(found, within, every=0.1):
        raise Skip("no outcome appeared")
    return found()[0]


# Pressing.


def labels_of(message: Message) -> Iterator[str]:
    """Yield the labels of a message's enabled buttons."""
    for component in message.components:
        if component.get("custom_id") and component.get("label") and not component.get("disabled"):
            yield component["label"]


class Reached(NamedTuple):
    """A button that a person can press, and the request that it is about."""

    ask: Ask
    who: str
    message: Message
    label: str


async def reach(story: Story, number: int, who: str | None, wait: float, label: str) -> Reached:
    """Wait for a button, trying the requests from this number on.

    `who` is by default each request's requester, who presses More or a number once under each message to get
    to the button. A label that ends in × matches any number after it. Raises Skip if there is no such button
    in time.
    """
    deadline = TIME.monotonic + wait
    tried: set[int] = set()
    while True:
        for asked in story.since(number):
            person = who or asked.who
            found = _find(story, asked, person, label)
            if found is None and label != "Cancel" and await _open(story, asked, person, tried):
                found = _find(story, asked, person, label)
            if found is not None:
                return Reached(asked, person, *found)
        if TIME.monotonic >= deadline:
            raise Skip(f"{who or 'the requester'} sees no {label}")
        await asyncio.sleep(0.25)


def _find(story: Story, asked: Ask, who: str, wanted: str) -> tuple[Message, str] | None:
    """Return the newest message with a button, and the button's full label."""
    for message in reversed(story.of_ask(asked, who)):
        for label in labels_of(message):
            if label == wanted or (wanted.endswith("×") and label.startswith(wanted)):
                return message, label
    return None


async def _open(story: Story, asked: Ask, who: str, tried: set[int]) -> bool:
    """Press More or a number under the newest message that isn't in `tried`; return whether there is one."""
    for message in reversed(story.of_ask(asked, who)):
        doors = [label for label in labels_of(message) if label == MORE or label.isdigit()]
        if doors and message.id not in tried:
            tried.add(message.id)
            await story.answer(await story.press(who, message, doors[len(story.presses) % len(doors)]))
            return True
    return False


async def press(
    story: Story, number: int, who: str | None, label: str, wait: float, second: str | None = None
) -> tuple[Reached, Interaction | None]:
    """Press a button as soon as `reach` finds it, and record the request that it starts.

    A `second` person presses at the same instant; `same` is the same person.
    """
    found = await reach(story, number, who, wait, label)
    sent = await story.press(found.who, found.message, found.label)
    record(story, found.ask, sent)
    if second is not None:
        again = await story.press(found.who if second == "same" else second, found.message, found.label)
        record(story, found.ask, again)
    return found, sent


async def press_and_wait(
    story: Story, number: int, who: str | None, label: str, wait: float
) -> Interaction | None:
    """Press a button as `press` does, and return the interaction once it is answered."""
    return await story.answer((await press(story, number, who, label, wait))[1])


async def choose(story: Story, sent: Interaction | None) -> Interaction | None:
    """Use the first control of each answer until a form opens; return the interaction that opened it.

    Raises Skip if nothing is offered.
    """
    while sent is not None and sent.modal is None:
        shown = sent.original
        controls = [c for c in shown.components if c.get("custom_id")] if shown is not None else []
        if shown is None or not controls or controls[0].get("disabled"):
            raise Skip(f"nothing to choose: {sent.text}")
        values = [option["value"] for option in controls[0].get("options") or []][:1]
        who = story.world.name_of(sent.user)
        sent = await story.answer(await story.press(who, shown, controls[0]["custom_id"], *values))
    return sent


# Forms.


async def fill_in(
    story: Story, opened: Interaction | None, parent: Ask | None = None, *, keep: bool = False, **given: Any
) -> Interaction | None:
    """Submit the form that an interaction opened, with usual values of the boxes that aren't given.

    A request's form gets a new prompt unless `keep`, and the request that it starts is recorded.
    """
    if opened is None or opened.modal is None:
        return None
    form, mark = str(opened.modal), new_mark(story)
    values = {"reason": "not here", "duration": "hour", "name": "from more", "prompt": False, **given}
    if str(opened.modal["custom_id"]).startswith("draft:"):
        values = {} if keep else {"prompt": f"another {mark}"}
    if _has_box(form, "note"):
        number = sum(_NOTE in str(press.values) for press in story.presses)
        values |= {"reason": _REASONS[number % len(_REASONS)], "note": f"{_NOTE}{number}x"}
    values = {box: value for box, value in values.items() if _has_box(form, box)}
    sent = await story.submit(opened, values)
    record(story, parent, sent, parent.mark if keep and parent is not None else mark)
    return await story.answer(sent)


def _has_box(form: str, box: str) -> bool:
    return f"'custom_id': '{box}'" in form


def record(story: Story, parent: Ask | None, sent: Interaction | None, mark: str = "") -> None:
    """Record the request that a press or a form starts. Its custom_id tells whether and how it does.

    Nothing starts if the bot didn't get it.
    """
    custom_id = str(sent.data.get("custom_id", "")) if sent is not None and sent.delivered_to else ""
    kind, _, target = custom_id.split(":")[:3] if custom_id.count(":") > 1 else ("", "", "")
    how, facts = "", dict[str, Any]()
    if kind == "run" and target in _STARTS:
        how = _STARTS[target]
        facts["count"] = {"vary": 4, "repeat": parent.count if parent is not None else 1}.get(target, 1)
    elif kind == "draft" and len(target) == _FOLLOW_UP:
        how, facts = "upscale", {"deployment": "upscale", "mark": new_mark(story)}
    elif kind == "draft" and sent is not None and sent.type is Type.MODAL:
        how, facts["mark"] = "edit", mark or new_mark(story)
        if target:
            how, facts["deployment"] = "use", target
    if not how or sent is None:
        return
    if parent is not None:
        derived(story, parent, sent, how, **facts)
    else:
        made(story, sent, how, **facts)
