"""Actions: forged presses and forms, and presses and forms that come late or twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from bot.ui.custom_ids import Action
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Message
from tests.simulation.people.buttons import PRESS, send_edited
from tests.simulation.people.reach import open_form
from tests.simulation.people.requests import MEMBERS, MODERATORS, derived, new_mark
from tests.simulation.steps import Skip, action
from tests.simulation.story import Ask, Story

_OUTSIDERS = ("stranger", "stranger", *MEMBERS)
_FORGED: dict[str, Any] = {"ask": range(4), "who": _OUTSIDERS, "own": 0.4, "wait": (1, 6)}


async def _target(story: Story, number: int, who: str, wait: float, *, own: bool) -> tuple[Ask, str, Message]:
    """Wait for a request of somebody else; return it, its key, and a message on which to forge a press.

    With `own`, the message isn't about the request. Raises Skip if there is no request or message.
    """

    def found() -> list[tuple[Ask, str]]:
        return [(ask, key) for ask in story.asks if ask.who != who and (key := story.key(ask)) is not None]

    await story.world.until(found, wait)
    others = found()
    if not others:
        raise Skip(f"{who} finds no request of somebody else")
    asked, key = others[number % len(others)]
    places = [m for m in story.of_ask(asked) if not m.ephemeral] or story.visible(who)
    seen = [m for m in story.visible(who) if m.author is story.world.discord.bot]
    if own and seen:
        places = [m for m in seen if not m.ephemeral and asked not in story.asks_of(m)] or seen
    if not places:
        raise Skip(f"no message to press under for request {asked.number}")
    return asked, key, places[-1]


@action("forge", **_FORGED, what=tuple(map(str, Action)), weight=5)
async def forge_button(story: Story, ask: int, who: str, what: str, wait: float, *, own: bool) -> None:
    """Forge a press of another person's button, perhaps in a channel that this person can't see.

    Everybody who sees a result may repeat or edit it as their own request.
    """
    asked, key, message = await _target(story, ask, who, wait, own=own)
    sent = await story.forge(who, message, f"run:{key}:{what}")
    if what in ("again", "vary", "repeat"):
        count = {"again": 1, "vary": 4, "repeat": asked.count}[what]
        derived(story, asked, sent, who, "forged again", count=count)
    opened = await story.answer(sent)
    if opened is not None and opened.modal is not None:
        await _send_opened(story, asked, opened)


async def _send_opened(story: Story, asked: Ask, opened: Interaction) -> None:
    """Submit the form that a press opened."""
    text = str(opened.modal)
    if "'draft:" in text:
        await send_edited(story, asked, opened)
        return
    values = {"reason": "forged"} if "'reason'" in text else {}
    values |= {"duration": "open"} if "'duration'" in text else {}
    await story.submit(opened, values)


_FORMS = (
    *("run:{key}:reject", "run:{key}:block", "run:{key}:share", "draft:{key}::::", "draft:{key}:::0a:"),
    *("set:results:form::0:", "set:approval:form::0:"),
)
# Values by the custom_id of their box, which ends with a digest of the value that the box showed: private
# results off, and approval for everybody.
_SETTINGS = {
    "set:results:form::0:": {"private_results::d1e359f5": "true"},
    "set:approval:form::0:": {"approval.mode::c4413d72": "off"},
}


@action("forge", **_FORGED, what=_FORMS, weight=3)
async def forge_form(story: Story, ask: int, who: str, what: str, wait: float, *, own: bool) -> None:
    """Submit a form that this person never opened."""
    asked, key, message = await _target(story, ask, who, wait, own=own)
    mark = new_mark(story)
    values = {"reason": "forged", "duration": "open"}
    if what.startswith(("draft", "set")):
        values = {"prompt": f"forged {mark}"} if what.startswith("draft") else _SETTINGS[what]
    sent = await story.forge_form(who, message, what.format(key=key), values)
    if what.startswith("draft"):
        derived(story, asked, sent, who, "forged edit", mark=mark)


_SELECTS = (
    ("runs:0:all:cancel:{key}",),
    ("runs:0:all:redeliver:{key}",),
    ("runs:0:all:open:{key}",),
    ("auditopen:{key}",),
    ("set:gpus:key::0:", "H100"),
    ("set:home:tidy::0:", "x"),
    ("set:approval:open::0:", "x"),
)


@action("forge", **_FORGED, what=_SELECTS, weight=2)
async def forge_choice(
    story: Story, ask: int, who: str, what: Sequence[str], wait: float, *, own: bool
) -> None:
    """Press a button in a list of others, or choose in a menu that only others have."""
    _, key, message = await _target(story, ask, who, wait, own=own)
    custom_id, *values = what
    sent = await story.forge(who, message, custom_id.format(key=key), *values, kind=3 if values else 2)
    await story.answer(sent)


@action("forge", who=_OUTSIDERS, whom=MEMBERS)
async def forge_erasure(story: Story, who: str, whom: str) -> None:
    """Forge the confirmation of /privacy delete for somebody else's data."""
    seen = [m for m in story.visible(who) if m.author is story.world.discord.bot]
    if not seen or who == whom:
        raise Skip(f"{who} sees no message to press under")
    await story.answer(await story.forge(who, seen[-1], f"erase:{story.world.person(whom).id}"))


# Late forms and presses.


@action("late", **PRESS, label=("Edit", "Edit", "Share", "Reject", "Block"), pause=(2, 8, 20))
async def late_form(
    story: Story, ask: int, who: str | None, wait: float, *, label: str, pause: float
) -> None:
    """Open a form, submit it late, and submit it once more."""
    if label in ("Reject", "Block"):
        who = MODERATORS[ask % len(MODERATORS)]
    found = await open_form(story, ask, who, label, wait)
    if found is None:
        return

    async def send() -> None:
        for _ in range(2):
            await _send_opened(story, found[0].ask, found[1])

    story.world.later(pause, send)


_LOST = (":cancel", ":approve", ":reject", ":delete", ":again")


@action("late", who=(None, None, "mona", "bob"), nth=range(4), wait=(2, 6))
async def press_earlier(story: Story, who: str | None, nth: int, wait: float) -> None:
    """Press a removed button, or one of a deleted message, as a client that lags behind may do."""
    await asyncio.sleep(wait)
    stale = [
        (message, component["custom_id"])
        for message in story.world.discord.request_log.messages
        for body in (*message.history, message.body)
        for component in Message(0, message.channel, message.author, body).components
        if str(component.get("custom_id") or "").endswith(_LOST)
        and (message.deleted_at is not None or component["custom_id"] not in message.custom_ids)
    ]
    if not stale:
        raise Skip("no message has lost a button")
    message, custom_id = stale[nth % len(stale)]
    about = story.asks_of(message)
    person = who or (about[0].who if about else "alice")
    if message.channel is story.world.channel("cards"):
        person = who or "mona"
    sent = await story.forge(person, message, custom_id)
    if custom_id.endswith(":again") and about:
        derived(story, about[0], sent, person, "again")
