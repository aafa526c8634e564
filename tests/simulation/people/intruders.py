"""Actions: forged webhooks, and decisions and audit pages forged by people without the right to them."""

from __future__ import annotations

import asyncio
import json

import aiohttp

from tests.simulation.people.asking import open_list, outcome, request, started
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import Skip, action
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
    who=MEMBERS,
    hows=lambda chance: chance.sample(_MACS, 3),
    status=("success", "failed", "cancelled"),
    weight=2,
)
async def forge_webhook(story: Story, who: str, hows: list[str], status: str) -> None:
    """Send webhooks about a run with wrong secrets."""
    story.world.next_faults({"hold_at": "running"})
    run = await started(story, await request(story, who, "pictures"), status="running")
    if run.webhook is None:
        raise Skip("there is no run to lie about")
    key, mac = run.webhook.partition("?")[0].split("/")[-2:]
    body = {"event_type": "run.updated", "run_id": run.id, "status": status, "progress": 1, "outputs": []}
    for how in hows:
        url = f"http://127.0.0.1:{WEB_PORT}/webhooks/comfydeploy/{key}/{_wrong(mac, how, key)}"
        try:
            async with aiohttp.ClientSession() as session, session.post(url, data=json.dumps(body)) as answer:
                story.forged_webhooks.append((how, answer.status))
                story.world.note("intruder", f"forges a webhook of {key} ({how}): {answer.status}")
        except aiohttp.ClientError as error:
            story.skip(f"the forged webhook wasn't answered: {error}")
    story.world.comfydeploy.release(run.id)


_ABOUT_CARDS = ("approve", "approve", "reject", "block")
_ABOUT_RESULTS = ("delete", "delete", "clear", "dismiss", "report")


@action("intruder", whose=MEMBERS, where=("requests", "pictures"), nth=range(5), weight=3)
async def moderator_of_elsewhere(story: Story, whose: str, where: str, nth: int) -> None:
    """Decide about another server's request as a moderator of only their own server."""
    asked = await request(story, whose, where)
    if where == "pictures":
        await outcome(story, asked)
    await asyncio.sleep(0.5)
    key = story.key(asked)
    under = await open_list(story, "stranger", "outside", "help")
    if key is None:
        raise Skip("there is nothing to decide about")
    actions = _ABOUT_CARDS if where == "requests" else _ABOUT_RESULTS
    what = actions[nth % len(actions)]
    opened = await story.answer(await story.forge("stranger", under, f"run:{key}:{what}"))
    if opened is not None and opened.modal is not None:
        values = {"reason": "mine"} | ({"duration": "open"} if "'duration'" in str(opened.modal) else {})
        await story.answer(await story.submit(opened, values))
    elif what == "reject":
        await story.forge_form("stranger", under, f"run:{key}:reject", {"reason": "mine"})


@action(
    "intruder",
    who=(*MEMBERS, "stranger"),
    moderator=("mona", "mike"),
    where=("pictures", "requests"),
    weight=3,
)
async def turn_the_page_of_the_record(story: Story, who: str, moderator: str, where: str) -> None:
    """Forge a press of a page button of /audit, which only a moderator has seen."""
    page = await open_list(story, moderator, where, "audit")
    buttons = [each for each in page.custom_ids if each.startswith("audit:")]
    under = await open_list(story, who, where if who != "stranger" else "outside", "help")
    if not buttons:
        raise Skip("/audit has no page buttons")
    for letter in "nco":
        await story.answer(await story.forge(who, under, f"audit:{letter}:{buttons[0][8:]}"))
