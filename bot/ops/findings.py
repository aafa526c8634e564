"""What a check says: one line, how bad it is, and what to do about it. Pure."""

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
    """`remedy` and `lines` (a table, a list) are printed beneath."""

    level: Level
    subject: str
    said: str
    remedy: str = ""
    lines: tuple[str, ...] = ()


def ok(subject: str, said: str, *lines: str) -> Finding:
    return Finding(Level.OK, subject, said, lines=lines)


def warning(subject: str, said: str, remedy: str, *lines: str) -> Finding:
    return Finding(Level.WARNING, subject, said, remedy, lines)


def problem(subject: str, said: str, remedy: str, *lines: str) -> Finding:
    return Finding(Level.ERROR, subject, said, remedy, lines)


def format_finding(finding: Finding) -> str:
    """The finding as it stands on a terminal."""
    head = f"{finding.level.value:<8} {finding.subject}: {finding.said}"
    indent = " " * 9
    below = [f"{indent}{line}" for line in finding.lines]
    return "\n".join([head, *([f"{indent}Remedy: {finding.remedy}"] if finding.remedy else []), *below])


def format_totals(counts: Mapping[Level, int]) -> str:
    """The last line: how many of each."""
    words = ((Level.WARNING, "warning"), (Level.ERROR, "error"))
    told = (
        f"{counts.get(level, 0)} {word}{'' if counts.get(level, 0) == 1 else 's'}" for level, word in words
    )
    return ", ".join((f"{counts.get(Level.OK, 0)} ok", *told))
