"""A poll is never later than a run's deadline, and comes at once after an outage or a restart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.fake_comfydeploy.deployments import picture
from demo.fake_comfydeploy.faults import Faults
from tests.defects.seen import given, results
from tests.discord.outages import away
from tests.discord.rendered import text_of
from tests.harness import HELD, Harness

# After the machine's own timeout, the bot waits so long for the machine's report.
MARGIN = 120
# Without webhooks, the bot learns of a run's start from its first poll.
FIRST_POLL = 15
STEP = 5


def stopped_by_its_machine_after(seconds: int) -> pytest.MarkDecorator:
    return pytest.mark.bot(comfydeploy={"deployments": [replace(picture(), run_timeout=seconds)]})


async def finish_unheard(bot: Harness) -> None:
    """Let the held run succeed while no webhook about it arrives."""
    (held,) = bot.comfydeploy.runs
    held.own_faults = Faults(webhook_drop=True)
    bot.comfydeploy.release()
    await bot.comfydeploy.idle()


@pytest.mark.parametrize(
    "run_timeout",
    [pytest.param(seconds, marks=stopped_by_its_machine_after(seconds)) for seconds in (20, 300)],
)
@pytest.mark.parametrize("webhooks", [True, pytest.param(False, marks=pytest.mark.bot(webhooks=False))])
async def test_a_run_is_stopped_at_its_deadline(bot: Harness, run_timeout: int, webhooks: bool) -> None:
    with given():
        await bot.ask(faults=HELD)
        await bot.later(seconds=STEP, times=(run_timeout + MARGIN) // STEP - 1)
        assert len(bot.calls) == 1
        assert not bot.comfydeploy.call_log.cancel_calls
    await bot.later(seconds=STEP, times=2 if webhooks else 2 + FIRST_POLL // STEP)
    assert len(bot.comfydeploy.call_log.cancel_calls) == 1
    assert "so I stopped it" in text_of(bot, bot.messages()[-1])


async def test_a_result_from_before_a_restart_is_shown_at_once(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    await bot.later(seconds=STEP, times=35)
    with given():
        await finish_unheard(bot)
        assert results(bot) == 0
    await bot.restart()
    await bot.later(seconds=1, times=STEP)
    assert results(bot) == 1


@pytest.mark.parametrize("asked_meanwhile", [True, False])
async def test_a_result_from_an_outage_is_shown_at_once_afterwards(
    bot: Harness, asked_meanwhile: bool
) -> None:
    await bot.ask(faults=HELD)
    with given():
        async with away(bot, "comfydeploy"):
            (held,) = bot.comfydeploy.runs
            held.own_faults = None
            await bot.later(seconds=STEP, times=30)
            if asked_meanwhile:
                await bot.ask(bot.bob)
            await bot.later(seconds=STEP, times=30)
            bot.comfydeploy.release()
            await bot.comfydeploy.idle()
            assert results(bot) == 0
    await bot.later(seconds=1, times=15)
    # A request of the outage waited for its end.
    assert results(bot) == 1 + asked_meanwhile
