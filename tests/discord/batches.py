"""Several at once, asked for and looked at."""

from __future__ import annotations

from typing import Any

from demo.standin.deployments import CAPTION_ID, PICTURE_ID, VARIATIONS_ID
from demo.standin.faults import Faults
from tests.harness import Harness

HELD = Faults(hold_at="running")
DEPLOYMENTS = f"""
[deployments.picture]
deployment_id = "{PICTURE_ID}"
max_count = 10
[deployments.variations]
deployment_id = "{VARIATIONS_ID}"
[deployments.caption]
deployment_id = "{CAPTION_ID}"
"""


async def ask(bot: Harness, *faults: Faults, count: int = 4, **more: Any) -> Any:
    """`faults` befall their queue calls, in order."""
    bot.standin.next_faults(*faults)
    asked = await bot.alice.slash(
        bot.channel, "generate", **{"prompt": "a fox", "seed": 7, "count": count, **more}
    )
    await bot.play()
    return asked


def files(message: Any) -> list[str]:
    """The files of a message, by the run that made each."""
    return [attachment.filename.split("-")[1] for attachment in message.attachments]


async def open_one(bot: Harness, actor: Any, number: int) -> Any:
    """A press on a number under the newest message."""
    return await actor.click(bot.messages()[-1], label=str(number))
