"""Rounds of the seeded fault run; `make chaos ROUNDS=1000 SEED=1` plays as many as you like."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import chaos


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_chaos_loses_nothing_and_does_nothing_twice(tmp_path: Path, database: str) -> None:
    stories: list[str] = []
    result = await chaos(tmp_path, rounds=20, seed=7, kind=database, say=stories.append)
    assert not result.invariants.broken, "\n".join(stories)
    assert result.invariants.requests
    assert result.kills
    assert result.faults
