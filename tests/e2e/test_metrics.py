"""The figures of a whole bot: a run is counted from the request to the outcome, and so is a failed call."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.e2e.bot_process import BotProcess

RUN = 'deployment="default"'


@pytest.mark.bot(DAILY_GPU_SECONDS="600")
async def test_a_run_is_counted_from_the_request_to_the_outcome(home: BotProcess) -> None:
    home.comfydeploy.next_faults(Faults(queue_status=500, queue_starts=0), Faults())
    await home.start()
    await home.ask()
    await home.ask()
    await home.settled(runs=2)
    webhooks = len(home.comfydeploy.call_log.webhook_attempts)
    expected = {
        f'requests_total{{{RUN},outcome="accepted"}}': 2,
        'comfydeploy_calls_total{call="queue",result="500"}': 1,
        'comfydeploy_call_seconds_count{call="queue"}': 2,
        f'outcomes_total{{{RUN},state="succeeded"}}': 1,
        'message_attempts_total{kind="outcome",result="done"}': 2,
        'webhooks_total{result="recorded"}': webhooks,
        "delivery_seconds_count": 2,
        "gpu_seconds_daily_limit": 600,
        "store_up": 1,
        "servers": 1,
    }
    page = await home.metrics()
    found = dict(line.removeprefix("comfydeploy_bot_").rsplit(" ", 1) for line in page.splitlines())
    assert {name: float(found[name]) for name in expected} == expected
