"""The app without Discord, and the caller of its webhook endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.harness import open_app
from tests.questions import insert_runs
from tests.web.service import SECRET, Caller, queued_run


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Caller]:
    """Store a run that ComfyDeploy has taken and reported nothing about, and yield its caller."""
    async with open_app(tmp_path, webhook_secret=SECRET) as runner, aiohttp.ClientSession() as session:
        run = queued_run(runner.clock())
        await insert_runs(runner.database, run)
        yield Caller(runner, session, run.key, run.run_id or "")
