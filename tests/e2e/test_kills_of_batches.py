"""SIGKILL during a batch: one result with all its runs, one queue call each."""

from __future__ import annotations

from functools import partial

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.e2e.bot_process import BotProcess
from tests.e2e.kill_points import (
    COMFY,
    DELIVERED,
    DISCORD,
    MESSAGES,
    RUNS,
    TAKEN_IN,
    WORK,
    dies_and_returns,
    never_begun,
)
from tests.sampling import every_nth

pytestmark = pytest.mark.usefixtures("cold")
COUNT = 3
POINTS = (
    *TAKEN_IN,
    *(f"{WORK}.claim_submission:got:{nth}" for nth in (1, 2, 3)),
    *(f"{COMFY}.start_run:{when}:{nth}" for nth in (1, 2, 3) for when in ("before", "after")),
    # For the reply and for each webhook of each of them, one of which fails.
    *(f"{RUNS}.record_report:{when}:{nth}" for nth in range(1, 12, 2) for when in ("before", "after")),
    *DELIVERED,
)
CANCELLING = (
    f"{RUNS}.request_cancel:before:1",
    f"{RUNS}.request_cancel:after:1",
    f"{COMFY}.cancel_run:after:1",
    f"{MESSAGES}.begin:after:1",
    f"{DISCORD}.post:after:1",
)


async def has_running(home: BotProcess, number: int) -> bool:
    return (await home.states()).count("running") == number


async def check(home: BotProcess) -> None:
    """Check that one message shows every success of the batch."""
    runs = sorted(await home.runs(), key=lambda run: run.index)
    assert [run.index for run in runs] == list(range(COUNT)), home.log
    await home.check_outcomes(calls=COUNT)
    assert len({home.outcomes(run.key)[0].id for run in runs}) == 1, home.log
    for run in runs:
        (message,) = home.outcomes(run.key)
        shown = [file.filename for file in message.attachments if run.key in file.filename]
        assert len(shown) == (run.state == "succeeded"), home.log
        assert len(home.comfydeploy.call_log.calls_for(run.key)) <= 1, home.log


@pytest.mark.parametrize("point", every_nth(POINTS, 6))
async def test_a_kill_at_any_step_leaves_one_result_with_all_of_them(home: BotProcess, point: str) -> None:
    home.comfydeploy.next_faults(Faults(), Faults(ends_as="failed"))
    await dies_and_returns(home, point, lambda: home.ask(count=COUNT))
    if never_begun(point) and not (await home.keys()):
        await home.check_outcomes(calls=0, leftovers=True)
    else:
        await check(home)


@pytest.mark.parametrize("point", CANCELLING)
async def test_a_kill_while_they_are_cancelled_leaves_one_end(home: BotProcess, point: str) -> None:
    home.comfydeploy.next_faults(Faults(), Faults(hold_at="running"), Faults(hold_at="running"))

    async def ask_and_cancel() -> None:
        asked = await home.ask(count=COUNT)
        await home.until(partial(has_running, home, 2))
        await home.cancel(asked)

    async def cancel_again() -> None:
        (status,) = home.leftovers()
        await home.discord.click(home.alice, status, "Cancel")

    was_forgotten = "request_cancel:before" in point
    await dies_and_returns(home, point, ask_and_cancel, cancel_again if was_forgotten else None)
    await check(home)
