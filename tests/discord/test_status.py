"""The answer to the command tells how far the run is, and is edited only when something changed."""

from __future__ import annotations

import pytest

from bot.domain.runs import RunState
from demo.fake_comfydeploy.faults import Faults, Held
from tests.discord.rendered import buttons_of, edits, requests_to, text_of
from tests.harness import Harness


@pytest.mark.parametrize(
    ("held", "title"),
    [("queued", "In the queue"), ("running", "Starting the machine"), ("uploading", "Finishing up")],
)
async def test_it_tells_the_phase(bot: Harness, held: Held, title: str) -> None:
    asked = await bot.ask(faults=Faults(hold_at=held))
    await bot.later(seconds=3)
    assert f"{title}: Picture" in text_of(bot, asked.response)
    assert list(buttons_of(bot, asked.response)) == ["Cancel"]
    await bot.release()
    assert len(bot.messages()) == 1


async def test_progress_in_one_moment_is_one_edit(bot: Harness) -> None:
    asked = await bot.ask(faults=Faults(hold_at="uploading"))
    heard = [each for each in bot.comfydeploy.call_log.webhook_attempts if each.answer == 204]
    assert len(heard) > 5
    assert edits(bot) == 2  # "thinking…" became the status message
    await bot.later(seconds=3)
    assert edits(bot) <= 3  # the first edit may have had all of it
    assert "%" in text_of(bot, asked.response)


async def test_after_a_quarter_of_an_hour_the_bots_own_token_edits(bot: Harness) -> None:
    asked = await bot.ask(faults=Faults(hold_at="queued"))
    await bot.later(minutes=16)
    await bot.release()
    assert len(bot.messages()) == 1
    assert asked.response is None
    assert requests_to(bot, "DELETE", f"/channels/{bot.channel.id}/messages/")
    assert (await bot.run()).state is RunState.SUCCEEDED
