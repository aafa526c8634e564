"""The status message says when the result should come, if enough runs have shown how long they take."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bot.delivery.status import MEDIANS_AGE
from tests.discord.deployments import ONE
from tests.discord.files import report_progress
from tests.discord.rendered import edits, text_of
from tests.harness import HELD, Harness


async def earlier_runs(bot: Harness, number: int = 5, *, seconds: float = 40) -> None:
    """Make results, each of which takes `seconds`."""
    for _ in range(number):
        await bot.ask(faults=HELD)
        await bot.later(seconds=seconds)
        await bot.release()
    await bot.later(seconds=MEDIANS_AGE.total_seconds())


def seconds_left(bot: Harness, message: Any) -> int | None:
    """Return the number to which a client has counted down, negative if the time is over."""
    found = re.search(r"^Should be ready <t:(\d+):R>$", text_of(bot, message), re.MULTILINE)
    return int(found[1]) - int(bot.clock.now.timestamp()) if found else None


async def test_a_running_one_counts_down_without_edits_until_it_is_late(bot: Harness) -> None:
    await earlier_runs(bot)
    asked = await bot.ask(faults=HELD)
    other = await bot.ask(gpu="H100", faults=HELD)
    await bot.later(seconds=4)
    assert "Starting the machine" in text_of(bot, asked.response)
    assert seconds_left(bot, asked.response) == 36
    assert seconds_left(bot, other.response) is None  # no run has shown how long that GPU takes
    before = edits(bot)
    await bot.later(seconds=10, times=3)
    assert edits(bot) == before
    assert seconds_left(bot, asked.response) == 6
    await report_progress(bot.calls[-2])
    await bot.later(seconds=10)
    assert edits(bot) == before + 1
    assert seconds_left(bot, asked.response) is None


GUESS = f"{ONE}expected_seconds = 50\n"


@pytest.mark.bot(deployments=GUESS, max_concurrent_runs=1)
async def test_the_operators_guess_counts_until_enough_runs_have_ended(bot: Harness) -> None:
    running = await bot.ask(faults=HELD)
    following = await bot.ask(bot.bob)
    await bot.later(seconds=4)
    assert "### Up next: " in text_of(bot, following.response)
    assert [seconds_left(bot, each.response) for each in (running, following)] == [46, 96]
    queue = text_of(bot, (await bot.alice.slash(bot.channel, "queue")).response)
    ends = [int(each) - int(bot.clock.now.timestamp()) for each in re.findall(r"ready <t:(\d+):R>", queue)]
    assert ends == [46, 96]
    await bot.release()
    await earlier_runs(bot, 3, seconds=20)
    learned = await bot.ask(faults=HELD)
    await bot.later(seconds=4)
    assert seconds_left(bot, learned.response) == 16


@pytest.mark.bot(max_concurrent_runs=1)
async def test_waiting_requests_are_told_when_their_result_should_come(bot: Harness) -> None:
    await earlier_runs(bot)
    running = await bot.ask(faults=HELD)
    await bot.later(seconds=10)
    first = await bot.ask(bot.bob)
    second = await bot.ask(bot.bob)
    await bot.later(seconds=4)
    assert "### Up next: " in text_of(bot, first.response)
    assert [seconds_left(bot, each.response) for each in (running, first, second)] == [26, 66, 106]
