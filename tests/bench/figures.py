"""Figures of benchmarks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value. `baseline` has the same unit; `aim` is the wanted value as text."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    aim: str = ""

    def __str__(self) -> str:
        bare = f", bare {self.baseline:,.1f}, ratio {self.value / self.baseline:.2f}" if self.baseline else ""
        aim = f", aim {self.aim}" if self.aim else ""
        return f"{self.name}: {self.value:,.1f} {self.unit}{bare}{aim}"


def percentile(values: Iterable[float], share: float) -> float:
    """Return the percentile by nearest rank: `share` 0.99 of 200 values is the 198th."""
    ranked = sorted(values)
    return ranked[max(math.ceil(share * len(ranked)) - 1, 0)]


def latencies(
    name: str, seconds: Sequence[float], baseline: Sequence[float] = (), aim: str = ""
) -> list[Figure]:
    """Return p50 and p99 in milliseconds. `aim` is that of p99."""
    figures = []
    for share, wanted in ((0.5, ""), (0.99, aim)):
        value = percentile(seconds, share) * 1000
        bare = percentile(baseline, share) * 1000 if baseline else None
        figures.append(Figure(f"{name}, p{share * 100:.0f}", value, "ms", bare, wanted))
    return figures
