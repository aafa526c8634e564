"""Figures of benchmarks, and their table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value. `baseline` has the same unit; `aim` is the wanted value as text."""

    section: str
    name: str
    value: float
    unit: str
    baseline: float | None = None
    aim: str = ""


def percentile(values: Iterable[float], share: float) -> float:
    """Return the percentile by nearest rank: `share` 0.99 of 200 values is the 198th."""
    ranked = sorted(values)
    return ranked[max(math.ceil(share * len(ranked)) - 1, 0)]


def latencies(
    section: str, name: str, seconds: Sequence[float], baseline: Sequence[float] = (), aim: str = ""
) -> list[Figure]:
    """Return p50 and p99 in milliseconds. `aim` is that of p99."""
    figures = []
    for share, wanted in ((0.5, ""), (0.99, aim)):
        value, bare = (percentile(each, share) * 1000 if each else None for each in (seconds, baseline))
        figures.append(Figure(section, f"{name}, p{share * 100:.0f}", value or 0.0, "ms", bare, wanted))
    return figures


def table(figures: Iterable[Figure]) -> str:
    rows = [("section", "what", "figure", "baseline", "ratio", "aim"), *map(_row, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [[text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in rows]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _row(figure: Figure) -> tuple[str, ...]:
    value = f"{_number(figure.value)} {figure.unit}".rstrip()
    if not figure.baseline:
        return figure.section, figure.name, value, "", "", figure.aim
    ratio = f"{figure.value / figure.baseline:.2f}"
    return figure.section, figure.name, value, _number(figure.baseline), ratio, figure.aim


def _number(value: float) -> str:
    return f"{value:,.1f}" if abs(value) < 1000 and value != int(value) else f"{value:,.0f}"
