"""Fixtures of the tests that start bot processes."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["forked", "cold"])
def cold(request: pytest.FixtureRequest) -> bool:
    """Return whether each start is a `python -m bot`: the same kills at six times the cost."""
    return bool(request.param)
