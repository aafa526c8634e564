"""The findings of `check`, and their format in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check; `remedy` and `lines` (a table or list) are printed below it."""

    level: Level
    subject: str
    summary: str
    remedy: str = ""
    lines: tuple[str, ...] = ()


def ok(subject: str, summary: str, *lines: str) -> Finding:
    return Finding(Level.OK, subject, summary, lines=lines)


def warning(subject: str, summary: str, remedy: str, *lines: str) -> Finding:
    return Finding(Level.WARNING, subject, summary, remedy, lines)


def problem(subject: str, summary: str, remedy: str, *lines: str) -> Finding:
    return Finding(Level.ERROR, subject, summary, remedy, lines)


def format_finding(finding: Finding) -> str:
    """Format a finding for the terminal."""
    head = f"{finding.level.value:<8} {finding.subject}: {finding.summary}"
    indent = " " * 9
    below = [f"{indent}{line}" for line in finding.lines]
    return "\n".join([head, *([f"{indent}Remedy: {finding.remedy}"] if finding.remedy else []), *below])


def format_totals(counts: Mapping[Level, int]) -> str:
    """Return the last line of the output, which counts the findings of each level."""
    levels = ((Level.WARNING, "warning"), (Level.ERROR, "error"))
    totals = (
        f"{counts.get(level, 0)} {word}{'' if counts.get(level, 0) == 1 else 's'}" for level, word in levels
    )
    return ", ".join((f"{counts.get(Level.OK, 0)} ok", *totals))
