"""The answer to the command tells how far the run is, and is edited only when something changed."""

from __future__ import annotations

import pytest

from bot.delivery.estimator import Estimator
from bot.delivery.posting import Poster
from bot.delivery.status import StatusUpdater
from bot.domain.runs import RunState
from demo.fake_comfydeploy.faults import Faults, Held
from tests.discord.deployments import ONE
from tests.discord.files import report_progress
from tests.discord.rendered import buttons_of, edits, requests_to, text_of
from tests.harness import HELD, Harness

MANY_AT_ONCE = pytest.mark.bot(deployments=f"{ONE}concurrency_limit = 4\n")


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


async def updater_of_old_runs(bot: Harness, posting: set[int]) -> StatusUpdater:
    """Let the interactions run out, so edits count against the channel's limit; make all outdated."""
    await bot.later(minutes=20)
    for call in bot.calls:
        await report_progress(call)
    await bot.app.workers["progress"].drain()
    bot.clock.move(minutes=1)
    return StatusUpdater(
        store=bot.app.store,
        coordinator=bot.app.coordinator,
        poster=Poster(bot.app.bot),
        title=str,
        age_marks=lambda _: (),
        expected=Estimator(bot.app.store.durations, lambda _: None, bot.clock).expected_end,
        clock=bot.clock,
        posting=lambda: frozenset(posting),
    )


@MANY_AT_ONCE
@pytest.mark.parametrize("claimed", [False, True], ids=["not claimed yet", "claimed with others"])
async def test_outcomes_go_before_the_bots_own_edits(bot: Harness, claimed: bool) -> None:
    posting: set[int] = set() if claimed else {bot.channel.id}
    for _ in range(3 if claimed else 1):
        await bot.ask(faults=HELD)
    updater = await updater_of_old_runs(bot, posting)
    if claimed:
        editing = [await updater.claim() for _ in range(3)]
        posting.add(bot.channel.id)
        for run in editing[:2]:
            assert run is not None
            await updater.update(run)
    assert await updater.claim() is None
    posting.clear()
    assert await updater.claim() is not None
