"""Shorten a list of steps that breaks a promise, by leaving steps out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.simulation.steps import Step


def shorten(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """Return a part of the steps that still fails, but no longer if any single step is left out.

    Large parts are left out first, as in delta debugging (Zeller and Hildebrandt, 2002).
    """
    kept = list(steps)
    size = max(1, len(kept) // 2)
    while True:
        smaller = _without_one_part(kept, size, fails)
        if smaller is not None:
            kept = smaller
        elif size == 1:
            return kept
        else:
            size //= 2


def _without_one_part(
    steps: Sequence[Step], size: int, fails: Callable[[Sequence[Step]], bool]
) -> list[Step] | None:
    for start in range(0, len(steps), size):
        fewer = [*steps[:start], *steps[start + size :]]
        if fewer and fails(fewer):
            return fewer
    return None
