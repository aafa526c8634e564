"""Actions: forged presses, forms and webhooks, and presses of buttons that are gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp

from bot.ui.custom_ids import Action
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Message
from tests.simulation.people.asking import fill_in, held_run, open_list, send_draft
from tests.simulation.people.requests import MEMBERS, derived, new_mark
from tests.simulation.steps import Choice, Draw, Skip, action, sample
from tests.simulation.story import Ask, Story
from tests.simulation.world import WEB_PORT

# The stranger moderates another server.
_OUTSIDERS = ("stranger", "stranger", *MEMBERS)
_FORGED: dict[str, Choice] = {"ask": range(4), "who": _OUTSIDERS, "own": 0.4, "wait": (1, 6)}


async def _target(story: Story, number: int, who: str, own: bool, wait: float) -> tuple[Ask, str, Message]:
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
    if own:
        seen = [m for m in story.visible(who) if m.author is story.discord.bot and not m.ephemeral]
        seen = [m for m in seen if asked not in story.asks_of(m)]
        return asked, key, seen[-1] if seen else await _own_message(story, who)
    places = [m for m in story.of_ask(asked) if not m.ephemeral] or story.visible(who)
    if not places:
        raise Skip(f"no message to press under for request {asked.number}")
    return asked, key, places[-1]


async def _own_message(story: Story, who: str) -> Message:
    return await open_list(story, who, "outside" if who == "stranger" else "pictures", "help")


@action("forge", weight=6)
async def forge_button(story: Story, draw: Draw) -> None:
    """Forge a press of another person's button, perhaps in a channel that this person can't see.

    Everybody who sees a result may repeat or edit it as their own request.
    """
    asked, key, message = await _target(story, *draw(**_FORGED))
    who, what = draw(who=_OUTSIDERS, what=[*map(str, Action)])
    sent = await story.forge(who, message, f"run:{key}:{what}")
    if what in ("again", "vary", "repeat"):
        count = {"again": 1, "vary": 4, "repeat": asked.count}[what]
        derived(story, asked, sent, "forged again", count=count)
    await _submit(story, asked, await story.answer(sent))


async def _submit(story: Story, asked: Ask, opened: Interaction | None) -> None:
    """Submit the form that a forged press opened."""
    if opened is not None and "'draft:" in str(opened.modal):
        await send_draft(story, asked, opened, "edit")
    else:
        await fill_in(story, opened)


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


@action("forge", weight=3)
async def forge_form(story: Story, draw: Draw) -> None:
    """Submit a form that this person never opened."""
    asked, key, message = await _target(story, *draw(**_FORGED))
    who, what = draw(who=_OUTSIDERS, what=_FORMS)
    mark = new_mark(story)
    values = _SETTINGS.get(what, {"reason": "forged", "duration": "open"})
    if what.startswith("draft"):
        values = {"prompt": f"forged {mark}"}
    sent = await story.forge_form(who, message, what.format(key=key), values)
    if what.startswith("draft"):
        derived(story, asked, sent, "forged edit", mark=mark)


_CHOICES = (
    ("runs:0:all:cancel:{key}",),
    ("runs:0:all:redeliver:{key}",),
    ("runs:0:all:open:{key}",),
    ("auditopen:{key}",),
    ("erase:{person}",),
    ("set:gpus:key::0:", "H100"),
    ("set:home:tidy::0:", "x"),
    ("set:approval:open::0:", "x"),
)


@action("forge", weight=3)
async def forge_choice(story: Story, draw: Draw) -> None:
    """Press a button in somebody else's list, confirm their erasure, or choose from their menu."""
    asked, key, message = await _target(story, *draw(**_FORGED))
    who, (custom_id, *values) = draw(who=_OUTSIDERS, what=_CHOICES)
    custom_id = custom_id.format(key=key, person=story.world.person(asked.who).id)
    await story.answer(await story.forge(who, message, custom_id, *values, kind=3 if values else 2))


# A webhook's secret is an HMAC of its run key.
_SECRETS: dict[str, Callable[[str, str], str]] = {
    "none": lambda mac, _: "0" * len(mac),
    "first": lambda mac, _: mac[:1],
    "half": lambda mac, _: mac[:16],
    "one": lambda mac, _: mac[:-1] + ("0" if mac[-1] != "0" else "1"),
    "other": lambda _, key: key,
    "long": lambda mac, _: mac + "0",
}


@action("intruder")
async def forge_webhook(story: Story, draw: Draw) -> None:
    """Send webhooks about a run with wrong secrets."""
    who, hows, status = draw(
        who=MEMBERS, hows=sample(list(_SECRETS), 3), status=("success", "failed", "cancelled")
    )
    _, run = await held_run(story, who, "pictures")
    key, mac = (run.webhook or "").partition("?")[0].split("/")[-2:]
    body = {"event_type": "run.updated", "run_id": run.id, "status": status, "progress": 1, "outputs": []}
    async with aiohttp.ClientSession() as session:
        for how in hows:
            url = f"http://127.0.0.1:{WEB_PORT}/webhooks/comfydeploy/{key}/{_SECRETS[how](mac, key)}"
            try:
                async with session.post(url, data=json.dumps(body)) as answer:
                    if answer.ok:
                        story.surprises.append(f"a webhook needs its secret: {how}")
            except aiohttp.ClientError as error:
                story.skip(f"the forged webhook wasn't answered: {error}")
    story.world.comfydeploy.release(run.id)


_LOST = (":cancel", ":approve", ":reject", ":delete", ":again")


@action("late")
async def press_earlier(story: Story, draw: Draw) -> None:
    """Press a removed button, or one of a deleted message, as a client that lags behind may do."""
    who, nth, wait = draw(who=(None, None, "mona", "bob"), nth=range(4), wait=(2, 6))
    await asyncio.sleep(wait)
    stale: list[tuple[Message, Any]] = [
        (message, component["custom_id"])
        for message in story.discord.request_log.messages
        for body in (*message.history, message.body)
        for component in Message(0, message.channel, message.author, body).components
        if str(component.get("custom_id") or "").endswith(_LOST)
        and (message.deleted_at is not None or component["custom_id"] not in message.custom_ids)
    ]
    if not stale:
        raise Skip("no message has lost a button")
    message, custom_id = stale[nth % len(stale)]
    about = story.asks_of(message)
    person = who or ("mona" if message.channel.name == "cards" else about[0].who if about else "alice")
    sent = await story.forge(person, message, custom_id)
    if custom_id.endswith(":again") and about:
        derived(story, about[0], sent, "again")
