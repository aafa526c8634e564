"""After a restart, the runs in flight are asked about at a pace, and every one ends."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import PICTURE_ID
from demo.fake_comfydeploy.runs import Run as FakeRun
from tests.e2e.bot_process import BotProcess
from tests.questions import insert_runs
from tests.unit.factories import made_run

# The bot asks about ten in a second.
MANY, SECONDS = 30, 2.0


async def test_a_restart_with_many_runs_in_flight_makes_no_storm(
    home: BotProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, at = home.comfydeploy, datetime.now(UTC) - timedelta(minutes=30)
    places = [home.discord.add_text(home.guild, f"place-{number}").id for number in range(MANY)]
    common: dict[str, Any] = {"deployment": fake.world.deployments[PICTURE_ID], "plan": fake.world.plan}
    common |= {"inputs": {}, "webhook": None, "intermediate": False, "gpu": None}
    common |= {"status": "failed", "created_at": at, "ended_at": at}
    planted, asked, get = [], dict[str, float](), fake.runs.get
    for number, place in enumerate(places):
        run_id = str(uuid4())
        fake.runs.add(FakeRun(id=run_id, **common))
        planted.append(
            made_run(
                RunState.RUNNING,
                key=f"planted{number:03}",
                created_at=at,
                submitted_at=at,
                guild_id=home.guild.id,
                channel_id=place,
                run_id=run_id,
            )
        )
    await insert_runs(home.database, *planted, due_at=at)

    def noted(run_id: str) -> FakeRun | None:
        asked.setdefault(run_id, asyncio.get_running_loop().time())
        return get(run_id)

    monkeypatch.setattr(fake.runs, "get", noted)
    await home.start()
    await home.settled()
    assert [message.state for message in await home.messages()] == ["sent"] * MANY
    assert max(asked.values()) - min(asked.values()) >= SECONDS - 0.1
