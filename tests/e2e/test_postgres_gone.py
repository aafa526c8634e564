"""PostgreSQL is away for a while: requests are refused, webhooks get 503, and every run ends afterwards."""

from __future__ import annotations

from pathlib import Path

from demo.fake_comfydeploy.faults import Faults
from tests.chaos.database import opened
from tests.e2e.bot_process import bot_process
from tests.harness import HELD


async def test_a_database_that_is_gone_for_a_while_loses_nothing(tmp_path: Path) -> None:
    async with (
        opened("postgres", tmp_path, proxied=True) as database,
        bot_process(tmp_path, database=database) as home,
    ):
        assert database.proxy is not None
        home.comfydeploy.faults = HELD
        await home.start()
        await home.ask()
        await home.held()
        database.proxy.shut()
        asking = await home.ask()
        await home.discord.wait_until(lambda: asking.shown)
        assert "I can't reach my database right now" in asking.text
        home.comfydeploy.faults = Faults()
        home.comfydeploy.release()
        await home.until(lambda: 503 in {w.answer for w in home.comfydeploy.call_log.webhook_attempts})
        database.proxy.heal()
        await home.ask()
        await home.settled(runs=2)
        await home.check_outcomes(calls=2)
        assert len(await home.keys()) == len(home.comfydeploy.call_log.queue_calls) == 2
