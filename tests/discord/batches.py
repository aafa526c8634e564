"""Batches: how they are requested, and which files their messages show."""

from __future__ import annotations

from typing import Any

from demo.fake_comfydeploy.deployments import CAPTION_ID, VARIATIONS_ID
from demo.fake_comfydeploy.faults import Faults
from tests.discord.deployments import ONE, described
from tests.harness import Harness

DEPLOYMENTS = f"{ONE}max_count = 10\n" + described(variations=VARIATIONS_ID, caption=CAPTION_ID)


async def ask(bot: Harness, *faults: Faults, count: int = 4, **more: Any) -> Any:
    """Request a batch with known seeds; `faults` apply to its queue calls, in order."""
    bot.comfydeploy.next_faults(*faults)
    return await bot.ask(**{"seed": 7, "count": count, **more})


def files(*messages: Any) -> list[str]:
    """Return the run key of each file of the messages."""
    return [file.filename.split("-")[1] for message in messages for file in message.attachments]


async def open_one(bot: Harness, actor: Any, number: int) -> Any:
    """Press a number under the newest message."""
    return await actor.click(bot.messages()[-1], label=str(number))


async def open_more(bot: Harness, actor: Any, number: int) -> Any:
    """Press a number under the newest message, and return the message that answers."""
    return (await open_one(bot, actor, number)).response.message
