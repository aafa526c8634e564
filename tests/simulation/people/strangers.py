"""Actions: forged presses and forms, and presses of buttons that are gone."""

from __future__ import annotations

import asyncio
from typing import Any

from simcord.components import walk_components as walk

from bot.ui.custom_ids import Action
from tests.fakediscord.world import Message
from tests.simulation.people.asking import fill_in, open_list, record
from tests.simulation.people.requests import MEMBERS, new_mark
from tests.simulation.steps import Draw, Skip, action
from tests.simulation.story import Ask, Story

# The stranger moderates another server.
_OUTSIDERS = ("stranger", "stranger", *MEMBERS)
_BUTTONS = (
    *(f"run:{{key}}:{each}" for each in Action),
    *("runs:0:all:cancel:{key}", "runs:0:all:redeliver:{key}", "runs:0:all:open:{key}"),
    "auditopen:{key}",
)
_CHOICES = {"set:gpus:key::0:": "H100", "set:home:tidy::0:": "x", "set:approval:open::0:": "x"}
# The values of forms by the custom_id of their box. In a setting, it ends with a digest of the value that the
# box showed: private results off, and approval for everybody.
_FORMS: dict[str, dict[str, str]] = {
    "run:{key}:reject": {"reason": "forged"},
    "run:{key}:block": {"reason": "forged", "duration": "open"},
    "run:{key}:share": {"reason": "forged"},
    "draft:{key}::::": {"prompt": "forged {mark}"},
    "draft:{key}:::0a:": {"prompt": "forged {mark}"},
    "set:results:form::0:": {"private_results::d1e359f5": "true"},
    "set:approval:form::0:": {"approval.mode::c4413d72": "off"},
}


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
    seen = [m for m in story.visible(who) if m.author is story.discord.bot and not m.ephemeral]
    about = [m for m in story.of_ask(asked) if not m.ephemeral]
    places = [m for m in seen if asked not in story.asks_of(m)] if own else about or seen
    if not places:
        places = [await open_list(story, who, "outside" if who == "stranger" else "pictures", "help")]
    return asked, key, places[-1]


@action("forge", weight=12)
async def forge(story: Story, draw: Draw) -> None:
    """Press another person's button, choose from their menu, or submit a form that was never opened.

    The person may not see the channel. Everybody who sees a result may repeat or edit it as a request of
    their own.
    """
    number, who, own, wait = draw(ask=range(4), who=_OUTSIDERS, own=0.4, wait=(1, 6))
    asked, key, message = await _target(story, number, who, own, wait)
    kind = draw(kind={"button": 6, "form": 3, "choice": 1})
    what = draw(what={"button": _BUTTONS, "form": [*_FORMS], "choice": [*_CHOICES]}[kind])
    mark, custom_id = new_mark(story), what.format(key=key)
    if kind == "form":
        values = {box: value.format(mark=mark) for box, value in _FORMS[what].items()}
        record(story, asked, await story.forge_form(who, message, custom_id, values), mark)
    elif kind == "choice":
        await story.answer(await story.forge(who, message, custom_id, _CHOICES[what], kind=3))
    else:
        sent = await story.forge(who, message, custom_id)
        record(story, asked, sent)
        await fill_in(story, await story.answer(sent), asked)


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
        for component in walk(body.get("components") or [])
        if str(component.get("custom_id") or "").endswith(_LOST)
        and (message.deleted_at is not None or component["custom_id"] not in message.custom_ids)
        and story.asks_of(message)
    ]
    if not stale:
        raise Skip("no message of a request has lost a button")
    message, custom_id = stale[nth % len(stale)]
    about = story.asks_of(message)[0]
    person = who or ("mona" if message.channel.name == "cards" else about.who)
    record(story, about, await story.forge(person, message, custom_id))
