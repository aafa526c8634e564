"""How the bots of these tests are started."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["forked", "cold"])
def cold(request: pytest.FixtureRequest) -> bool:
    """Whether each start is a `python -m bot` of its own: the same kills, at six times the cost."""
    return bool(request.param)
