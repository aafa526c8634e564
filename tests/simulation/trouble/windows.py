"""Actions at critical moments: between a post and its reply, and after a lease."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from tests.chaos.faults import POST
from tests.fakediscord.faults import Fault
from tests.simulation.engine.boundaries import STATEMENTS
from tests.simulation.engine.life import Life
from tests.simulation.people.asking import MORE, held_run, outcome
from tests.simulation.people.requests import MEMBERS
from tests.simulation.steps import Draw, Skip, action
from tests.simulation.story import Story
from tests.simulation.trouble.deaths import add_strike, kill
from tests.simulation.trouble.places import withdraw
from tests.simulation.trouble.services import jump

_EXTENSION = "UPDATE requests SET lease_until"
# Seconds, a little more than a lease with the longest sleep of the worker that takes over.
_TAKEN_OVER = 95.0
# Seconds after which Discord has forgotten a nonce, and after which discord.py no longer repeats a post.
_FORGOTTEN, _REPEATED = 400.0, 45.0


def _undisturbed(story: Story) -> None:
    """Raise Skip if earlier faults make an action's check unreliable."""
    if story.struck or story.discord.faults.rules or STATEMENTS.strike is not None:
        raise Skip("there was other trouble")


# Between a post and its reply.


@action("windows")
async def press_before_the_reply(story: Story, draw: Draw) -> None:
    """Press a button of a result whose post the bot can't confirm, because it can't read the channel."""
    _undisturbed(story)
    asked, run = await held_run(story, draw(who=MEMBERS), "pictures")
    story.discord.faults.add(POST, Fault.delay(60, after=True))
    story.world.comfydeploy.release(run.id)
    shown = await outcome(story, asked, 20)
    await story.answer(await story.press(asked.who, shown, MORE))
    withdraw(story, "pictures", "read_message_history")
    kill(story, None, _REPEATED + 5, "before the reply to its post")
    await asyncio.sleep(_REPEATED)
    jump(story, _FORGOTTEN)
    await asyncio.sleep(40)


# Leases, and several processes.


@action("leases", weight=2)
async def lease_runs_out(story: Story, draw: Draw) -> None:
    """Let a post outlive its lease, whose extension fails, while the bot may not start other posts there.

    Unless the token has expired, another process edits the outcome into the answer meanwhile.
    """
    _undisturbed(story)
    who, expires = draw(who=MEMBERS, expires=0.5)
    asked, run = await held_run(story, who, "pictures")
    world, channel = story.world, story.world.channel("pictures")
    extending: list[Life] = []
    held: list[Any] = []

    def strike(life: Life, sql: str, done: bool) -> None:
        if sql.startswith(_EXTENSION) and not held:
            extending[:] = [life]
        elif sql.startswith(_EXTENSION) and life in extending and not done and len(held) == 1:
            raise sqlite3.OperationalError("disk I/O error")

    def hold(parameters: Any) -> bool:
        held.append(parameters)
        return True

    asked.interaction.created_at -= 900 if expires else 0
    add_strike(strike)
    story.discord.faults.add(POST, Fault.delay(_TAKEN_OVER + 5), where=hold)
    world.comfydeploy.release(run.id)
    await world.until(lambda: held, 15)
    story.strike("no lease is extended: COMMIT fails")
    withdraw(story, "pictures")
    await asyncio.sleep(_TAKEN_OVER)
    story.discord.grant(channel, "send_messages")
    await asyncio.sleep(10)
    held.append(None)
    paths = [call.path for call in world.comfydeploy.call_log.answered if f"/{run.id}/" in call.path]
    downloads = [path for path in paths if path.startswith("/files/outputs/")]
    if len(world.layout) == 1 and len(downloads) > len({*downloads}):
        story.surprises.append(f"a message in progress isn't started a second time: {run.id}")
