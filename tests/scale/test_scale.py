"""Run eight processes on one PostgreSQL; `make scale RUNS=1000` plays as many runs as you like."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scale.run import scale


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rolling", [False, True], ids=["killed", "replaced one by one"])
async def test_processes_that_end_lose_nothing_and_do_nothing_twice(tmp_path: Path, rolling: bool) -> None:
    stories: list[str] = []
    kills = None if rolling else 10
    result = await scale(tmp_path, runs=100, most_kills=kills, rolling=rolling, say=stories.append)
    assert not result.invariants.broken, "\n".join(stories)
    assert result.runs >= 100
    assert rolling or result.kills
