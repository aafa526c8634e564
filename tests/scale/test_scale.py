"""A small one of `make scale RUNS=1000`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scale.run import scale


@pytest.mark.timeout(600)
async def test_processes_that_are_killed_lose_nothing_and_do_nothing_twice(tmp_path: Path) -> None:
    stories: list[str] = []
    result = await scale(tmp_path, runs=20, most_kills=3, say=stories.append)
    assert "lost=0 twice=0" in result.line, "\n".join(stories)
    assert result.runs >= 20
    assert result.kills == 3
