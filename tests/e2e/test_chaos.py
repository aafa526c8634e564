"""A few rounds of the seeded fault run; `make chaos ROUNDS=1000 SEED=1` plays as many as you like."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.run import chaos


async def test_a_few_rounds_of_chaos_lose_nothing_and_do_nothing_twice(tmp_path: Path) -> None:
    stories: list[str] = []
    result = await chaos(tmp_path, rounds=8, seed=7, kind="sqlite", say=stories.append)
    assert result.line.endswith("lost=0 twice=0 queued_twice=0"), "\n".join(stories)
    assert result.requests
    assert result.kills
    assert result.faults
