"""Actions: faults and kills at the deferral, the acceptance, and the edit into the status message."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fakediscord.faults import Effect, Fault
from tests.simulation.people.asking import outcome, request
from tests.simulation.people.reach import labels_of
from tests.simulation.people.requests import MEMBERS, derived
from tests.simulation.steps import action
from tests.simulation.story import Ask, Story
from tests.simulation.trouble.database import database_away
from tests.simulation.trouble.deaths import kill_after_call, kill_at_call
from tests.simulation.trouble.services import ANSWER, DEFER, discord_away

_EDIT, _READ = f"PATCH {ANSWER}", f"GET {ANSWER}"
_FAULTS = {
    "refused": Fault.answer(404),
    "acknowledged": Fault.answer_after(500),  # discord.py repeats it, and Discord answers 40060
    "failed": Fault.answer(500),
    "reply lost": Fault.lose_reply(),
    "never arrived": Fault.drop_before(),
    "late": Fault.delay(3.5),
    "slow": Fault.delay(2.5, after=True),
}


async def _ask(story: Story, who: str, where: str, *, again: bool) -> Ask | None:
    """Send a request or, with `again`, repeat the latest one by its button, which is deferred differently."""
    if not again:
        return await request(story, who, where)
    message = await outcome(story, story.asks[-1] if story.asks else None)
    if message is None or "Again" not in labels_of(message):
        story.skip("no result to repeat")
        return None
    asked = story.asks[-1]
    sent = await story.press(asked.who, message, "Again")
    return derived(story, asked, sent, asked.who, "again") if sent is not None else None


_PLACES = ("pictures", "requests", "requests", "adult", "thread", "lounge")
_ASKED: dict[str, Any] = {"who": MEMBERS, "where": _PLACES, "again": 0.4}


@action(
    "deferral",
    **_ASKED,
    route=(DEFER, _EDIT),
    fault=(*_FAULTS, "failed", "never arrived"),
    times=(1, 5, 5),
    unread=(0, 0, 1, 5),
    weight=2,
)
async def deferral_fails(
    story: Story, who: str, where: str, route: str, fault: str, *, times: int, unread: int, again: bool
) -> None:
    """Let a deferral or the edit of its answer fail, and perhaps also the GET that checks the answer."""
    if again:
        await request(story, who, where)
    # Discord never answers 404 for a message that exists.
    fault = "failed" if (route, fault) == (_EDIT, "refused") else fault
    story.world.discord.faults.add(route, _FAULTS[fault], times=times)
    if unread:
        story.world.discord.faults.add(_READ, Fault.answer(503), times=unread)
    story.strike(f"Discord: the next {times} of {route}: {fault}; {unread} of {_READ}: 503")
    asked = await _ask(story, who, where, again=again)
    # discord.py repeats a call for half a minute.
    await asyncio.sleep(20 if route == DEFER else 60)
    shown = asked.interaction.original if asked is not None else None
    thinks = shown is not None and shown.loading and shown.deleted_at is None
    if asked is not None and route == _EDIT and thinks and not story.world.discord.faults.rules:
        story.thinking.append(asked.number)


# A kill before the first COMMIT, after the deferral, leads to a known gap.
@action(
    "deferral",
    **_ASKED,
    at=(DEFER, _EDIT, "commit", "commit"),
    nth=(1, 2, 2, 2),
    done=0.2,
    back=(0.1, 2.0, 20.0, 1000.0),
    weight=2,
)
async def killed_while_accepting(
    story: Story, who: str, where: str, at: str, nth: int, back: float, *, again: bool, done: bool
) -> None:
    """Kill the bot at the deferral, before or after the acceptance, or at the edit of the answer."""
    if again:
        await request(story, who, where)
        await asyncio.sleep(8)
    if at == "commit":
        kill_after_call(story, DEFER, nth=nth, back=back)
    else:
        kill_at_call(story, at, 1, done=done, back=back)
    await _ask(story, who, where, again=again)
    await asyncio.sleep(min(back, 30) + 10)


async def _both_away(story: Story, seconds: int, *, discord: bool) -> None:
    await database_away(story, seconds)
    if discord:
        await discord_away(story, seconds, str(Effect.STATUS))


@action("deferral", **_ASKED, seconds=(2, 30, 1000), discord=0.3)
async def database_leaves_after_deferral(
    story: Story, who: str, where: str, seconds: int, *, again: bool, discord: bool
) -> None:
    """Let the database, and perhaps Discord, fail from a deferral on."""
    if again:
        await request(story, who, where)
        await asyncio.sleep(8)

    def leave(_: Any) -> bool:
        story.world.loop.create_task(_both_away(story, seconds, discord=discord))
        return False

    rule = story.world.discord.faults.add(DEFER, Fault.drop_before(), times=None, where=leave)
    await _ask(story, who, where, again=again)
    story.world.discord.faults.remove(rule)
    await asyncio.sleep(30)
