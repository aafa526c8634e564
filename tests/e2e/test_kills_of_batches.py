"""SIGKILL during a batch: one result with all its runs, one queue call each."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.e2e.bot_process import BotProcess, bot_process
from tests.e2e.kill_points import COMFY, DELIVERED, OWED, RUNS, TAKEN_IN, WORK, never_begun, time_away
from tests.sampling import every_nth

COUNT = 3
POINTS = (
    *TAKEN_IN,
    *(f"{WORK}.claim_submission:got:{nth}" for nth in (1, 2, 3)),
    *(f"{COMFY}.start_run:{when}:{nth}" for nth in (1, 2, 3) for when in ("before", "after")),
    # For the reply and for each webhook of each of them, one of which fails.
    *(f"{RUNS}.record_report:{when}:{nth}" for nth in range(1, 12, 2) for when in ("before", "after")),
    *DELIVERED,
)
STATES = "SELECT key, state, batch_index FROM runs ORDER BY batch_index"


async def check(home: BotProcess, *, may_be_absent: bool) -> None:
    rows = home.rows(STATES)
    calls = home.comfydeploy.call_log.queue_calls
    if may_be_absent and not rows:
        assert not calls
        assert not home.leftovers()
        return
    assert [index for _, _, index in rows] == list(range(COUNT)), home.log
    told = {message.id for key, _, _ in rows for message in home.outcomes(key)}
    assert len(told) == 1, home.log
    for key, state, _ in rows:
        (message,) = home.outcomes(key)
        shown = [file.filename for file in message.attachments if key in file.filename]
        assert len(shown) == (state == "succeeded"), home.log
        assert len(home.comfydeploy.call_log.calls_for(key)) <= 1, home.log
    assert not home.leftovers(), home.log


@pytest.mark.parametrize("point", every_nth(POINTS, 3))
async def test_a_kill_at_any_step_leaves_one_result_with_all_of_them(
    point: str, tmp_path: Path, cold: bool
) -> None:
    async with bot_process(tmp_path, cold=cold) as home:
        home.comfydeploy.next_faults(Faults(), Faults(ends_as="failed"))
        await home.start(die_at=point)
        await home.ask(count=COUNT)
        await home.died()
        await home.start(ahead=time_away(point))
        await home.settled()
        await check(home, may_be_absent=never_begun(point))


@pytest.mark.parametrize(
    "point",
    [
        f"{RUNS}.request_cancel:before:1",
        f"{RUNS}.request_cancel:after:1",
        f"{COMFY}.cancel_run:after:1",
        f"{OWED}.mark_attempt:after:1",
        f"{OWED}.mark_sent:after:1",
    ],
)
async def test_a_kill_while_they_are_cancelled_leaves_one_end(point: str, tmp_path: Path, cold: bool) -> None:
    async with bot_process(tmp_path, cold=cold) as home:
        home.comfydeploy.next_faults(Faults(), Faults(hold_at="running"), Faults(hold_at="running"))
        await home.start(die_at=point)
        asked = await home.ask(count=COUNT)
        await home.until(lambda: [state for _, state, _ in home.rows(STATES)].count("running") == 2)
        message = asked.original
        assert message is not None
        await home.discord.click(home.alice, message, "Cancel")
        await home.died()
        await home.start(ahead=time_away(point))
        if "request_cancel:before" in point:
            await home.discord.click(home.alice, message, "Cancel")
        await home.settled()
        await check(home, may_be_absent=False)
