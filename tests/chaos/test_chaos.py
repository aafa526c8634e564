"""Rounds of the seeded fault run; `make chaos ROUNDS=1000 SEED=1` plays as many as you like."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import chaos


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("database", "several"),
    [("sqlite", False), ("postgres", False), ("postgres", True)],
    ids=["sqlite", "postgres", "several processes"],
)
async def test_chaos_loses_nothing_and_does_nothing_twice(
    tmp_path: Path, database: str, several: bool
) -> None:
    stories: list[str] = []
    kept = await chaos(tmp_path, rounds=20, seed=7, kind=database, several=several, say=stories.append)
    assert kept, "\n".join(stories)
