"""Select a part of many cases for the fast suite; the slow suite runs all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest


def every_nth(cases: Sequence[Any], step: int, start: int = 0) -> list[Any]:
    """Return all cases as parameters, and mark them as slow except every `step`-th from `start` on."""
    return [case if number % step == start % step else _slow(case) for number, case in enumerate(cases)]


def _slow(case: Any) -> Any:
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.slow)
