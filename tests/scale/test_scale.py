"""Run eight processes on one PostgreSQL; `make scale RUNS=1000` plays as many runs as you like."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scale.run import scale


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_processes_that_are_killed_lose_nothing_and_do_nothing_twice(tmp_path: Path) -> None:
    stories: list[str] = []
    result = await scale(tmp_path, runs=100, most_kills=10, say=stories.append)
    assert "lost=0 twice=0" in result.line, "\n".join(stories)
    assert result.runs >= 100
    assert result.kills


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_processes_that_are_replaced_one_by_one_lose_nothing(tmp_path: Path) -> None:
    stories: list[str] = []
    result = await scale(tmp_path, runs=100, rolling=True, say=stories.append)
    assert "lost=0 twice=0" in result.line, "\n".join(stories)
    assert result.runs >= 100
