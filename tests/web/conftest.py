"""The app without Discord, and the caller of its webhook endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.domain.runs import RunState
from tests.harness import open_app
from tests.questions import insert_runs
from tests.unit.factories import made_run
from tests.web.service import SECRET, Caller

RUN_ID = "0c9d6a1e-1111-4000-8000-000000000000"


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Caller]:
    """Store a run that ComfyDeploy has taken and reported nothing about, and yield its caller."""
    async with open_app(tmp_path, webhook_secret=SECRET) as runner, aiohttp.ClientSession() as session:
        now = runner.clock()
        begun = {"created_at": now, "submitted_at": now, "status_message_id": 5}
        run = made_run(RunState.QUEUED, run_id=RUN_ID, deployment="default", **begun)
        await insert_runs(runner.database, run)
        yield Caller(runner, session, run.key, RUN_ID)
