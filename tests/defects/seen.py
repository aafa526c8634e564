"""Read what people see, and tell a defect from a failure before it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.discord.rendered import csv_of
from tests.harness import Harness


@contextmanager
def given() -> Iterator[None]:
    """Let a failed assertion inside the block fail the test, also where a defect is expected to fail it."""
    try:
        yield
    except AssertionError as error:
        raise RuntimeError("the defect wasn't reached") from error


def results(bot: Harness, channel: Any = None) -> int:
    """Return how many files the channel's messages show."""
    return sum(len(message.attachments) for message in bot.messages(channel))


async def recorded(bot: Harness, moderator: Any) -> list[str]:
    """Return the actions in the file that `/audit` offers to a moderator, newest first."""
    listed = await moderator.slash(bot.channel, "audit")
    _, rows = await csv_of(await moderator.click(listed.response, label="CSV file"))
    return [row["action"] for row in rows]


async def own_record(bot: Harness, person: Any) -> list[dict[str, Any]]:
    """Return the record in the file of `/privacy export`."""
    asked = await person.slash(bot.channel, "privacy export")
    (answer,) = asked.followups or [asked.response]
    lines = map(json.loads, (await answer.attachments[0].read()).splitlines())
    return [line for line in lines if line["kind"] == "audit"]
