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

    @property
    def ratio(self) -> float | None:
        return self.value / self.baseline if self.baseline else None


def percentile(values: Iterable[float], share: float) -> float:
    """Return the percentile by nearest rank: `share` 0.99 of 200 values is the 198th."""
    ranked = sorted(values)
    return ranked[max(math.ceil(share * len(ranked)) - 1, 0)]


def latencies(
    section: str, name: str, seconds: Sequence[float], baseline: Sequence[float] = (), aim: str = ""
) -> list[Figure]:
    """Return p50 and p99 in milliseconds. `aim` is that of p99."""
    return [
        Figure(
            section,
            f"{name}, {label}",
            percentile(seconds, share) * 1000,
            "ms",
            percentile(baseline, share) * 1000 if baseline else None,
            aim if share > 0.9 else "",
        )
        for label, share in (("p50", 0.5), ("p99", 0.99))
    ]


def table(figures: Sequence[Figure]) -> str:
    head = ("section", "what", "figure", "baseline", "ratio", "aim")
    rows = [head, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = ("  ".join(_cell(row, column, widths) for column in range(len(head))).rstrip() for row in rows)
    return "\n".join(lines)


def _cell(row: tuple[str, ...], column: int, widths: Sequence[int]) -> str:
    text, width = row[column], widths[column]
    return text.rjust(width) if column in (2, 3, 4) else text.ljust(width)


def _row(figure: Figure) -> tuple[str, ...]:
    ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
    baseline = _number(figure.baseline) if figure.baseline is not None else ""
    value = f"{_number(figure.value)} {figure.unit}".rstrip()
    return (figure.section, figure.name, value, baseline, ratio, figure.aim)


def _number(value: float) -> str:
    return f"{value:,.1f}" if abs(value) < 1000 and value != int(value) else f"{value:,.0f}"
