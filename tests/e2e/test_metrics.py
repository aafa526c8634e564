"""The metrics of the bot as a process, on its real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.e2e.bot_process import PATIENCE, BotProcess, bot_process
from tests.fakediscord.faults import Fault

POST = "POST /channels/{channel_id}/messages"


async def page_with(home: BotProcess, *lines: str) -> str:
    """Return the metrics once they have these lines: the bot counts a delivery after it is stored, and
    discord.py waits two seconds for further servers before the gateway is ready.
    """
    async with asyncio.timeout(PATIENCE):
        while True:
            page = await home.metrics()
            if all(line in page for line in lines):
                return page
            await asyncio.sleep(0.05)


async def test_discords_limits_and_faults_are_counted(tmp_path: Path) -> None:
    async with bot_process(tmp_path) as home:
        home.discord.faults.add(POST, Fault.rate_limit(0.1))
        home.discord.faults.add(POST, Fault.drop_before())
        await home.start()
        await home.ask()
        await home.settled(runs=1)
        page = await page_with(
            home,
            "comfydeploy_bot_gateway_ready 1.0",
            'comfydeploy_bot_delivery_attempts_total{purpose="outcome",result="done"} 1.0',
        )
        assert 'comfydeploy_bot_discord_rate_limited_total{scope="user"} 1.0' in page
        assert 'comfydeploy_bot_discord_requests_total{method="POST",status="429"} 1.0' in page
        assert 'comfydeploy_bot_discord_requests_total{method="POST",status="no_answer"} 1.0' in page
        assert "comfydeploy_bot_servers 1.0" in page
        assert "comfydeploy_bot_event_loop_lag_seconds_count 0.0" not in page


async def test_a_port_of_their_own_that_is_taken(tmp_path: Path) -> None:
    async with bot_process(tmp_path) as home:
        taken = home.comfydeploy.url.rpartition(":")[2].partition("/")[0]
        said = await home.command(METRICS_PORT=taken)
        assert said.code == 2
        assert f"Port {taken} on 127.0.0.1 can't be used" in said.err
        assert "set METRICS_PORT to another" in said.err
