"""People with power elsewhere, or none, try what only others may: forged webhooks, decisions and pages."""

from __future__ import annotations

import asyncio
import json

import aiohttp

from tests.fakediscord.world import Message
from tests.simulation.people import MEMBERS
from tests.simulation.steps import action
from tests.simulation.story import Story
from tests.simulation.world import WEB_PORT

_MACS = ("", "first", "half", "one", "other", "long")


def _wrong(mac: str, how: str, key: str) -> str:
    return {
        "": "0" * 32,
        "first": mac[:1],
        "half": mac[:16],
        "one": mac[:-1] + ("0" if mac[-1] != "0" else "1"),
        "other": key,
        "long": mac + "0",
    }[how]


@action(
    "intruder",
    lambda chance: {
        "nth": chance.randrange(3),
        "how": chance.choice(_MACS),
        "status": chance.choice(("success", "failed", "cancelled")),
        "wait": chance.choice((0.3, 1.0, 3.0)),
    },
    weight=3,
)
async def forge_webhook(story: Story, nth: int, how: str, status: str, wait: float) -> None:
    """Send a webhook about a run without knowing its secret."""
    calls = story.world.comfydeploy.call_log.queue_calls
    await story.world.until(lambda: any(call.webhook for call in calls), 5)
    known = [call for call in calls if call.webhook]
    if not known:
        story.skip("there is no run to lie about")
        return
    call = known[nth % len(known)]
    key, mac = str(call.webhook).partition("?")[0].split("/")[-2:]
    await asyncio.sleep(wait / 3)
    body = {"event_type": "run.updated", "run_id": (call.run_ids or ["x"])[0], "status": status}
    body |= {"progress": 1, "outputs": []}
    url = f"http://127.0.0.1:{WEB_PORT}/webhooks/comfydeploy/{key}/{_wrong(mac, how, key)}"
    try:
        async with aiohttp.ClientSession() as session, session.post(url, data=json.dumps(body)) as answer:
            story.forged_webhooks.append((how, answer.status))
            story.world.note("intruder", f"forges a webhook of {key} ({how}): {answer.status}")
    except aiohttp.ClientError as error:
        story.skip(f"the forged webhook wasn't answered: {error}")


_DECISIONS = ("approve", "approve", "reject", "delete", "delete", "clear", "dismiss", "block", "cancel")


async def _own_message(story: Story, who: str, where: str) -> Message | None:
    """Return a message of the bot under which a person can press: the answer to their own /help."""
    shown = await story.answer(await story.slash(who, where, "help", {}))
    return shown.original if shown is not None else None


@action(
    "intruder",
    lambda chance: {
        "ask": chance.randrange(4),
        "what": chance.choice(_DECISIONS),
        "wait": chance.choice((0.5, 3.0, 6.0)),
    },
    weight=5,
)
async def moderator_of_elsewhere(story: Story, ask: int, what: str, wait: float) -> None:
    """Decide about a request of another server, as somebody who may do so on their own."""
    await asyncio.sleep(wait)
    key = story.key(story.asks[ask]) if ask < len(story.asks) else None
    under = await _own_message(story, "stranger", "outside")
    if key is None or under is None:
        story.skip("there is nothing to decide about")
        return
    opened = await story.answer(await story.forge("stranger", under, f"run:{key}:{what}"))
    if opened is not None and opened.modal is not None:
        values = {"reason": "mine"} | ({"duration": "open"} if "'duration'" in str(opened.modal) else {})
        await story.answer(await story.submit(opened, values))
    elif what == "reject":
        await story.forge_form("stranger", under, f"form:{key}:reject", {"reason": "mine"})


@action(
    "intruder",
    lambda chance: {
        "who": chance.choice((*MEMBERS, "stranger")),
        "moderator": chance.choice(("mona", "mike")),
        "where": chance.choice(("pictures", "requests")),
    },
    weight=3,
)
async def turn_the_page_of_the_record(story: Story, who: str, moderator: str, where: str) -> None:
    """Press a page button of /audit that only a moderator has seen."""
    page = await story.answer(await story.slash(moderator, where, "audit", {}))
    ids = page.original.custom_ids if page is not None and page.original is not None else []
    buttons = [each for each in ids if each.startswith("audit:")]
    under = await _own_message(story, who, where if who != "stranger" else "outside")
    if not buttons or under is None:
        story.skip("/audit has no page buttons")
        return
    for custom_id in buttons:
        await story.answer(await story.forge(who, under, custom_id))
