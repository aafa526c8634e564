"""The findings of `check`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 row` or `2 rows`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check; `remedy` and `lines` (a table or list) are printed below it.

    A `passing` error may end by itself, because a service didn't answer.
    """

    level: Level
    subject: str
    summary: str
    remedy: str = ""
    lines: tuple[str, ...] = ()
    passing: bool = False

    def __str__(self) -> str:
        head = f"{self.level:<8} {self.subject}: {self.summary}"
        remedy = [f"Remedy: {self.remedy}"] if self.remedy else []
        return "\n         ".join([head, *remedy, *self.lines])


def ok(subject: str, summary: str, *lines: str) -> Finding:
    return Finding(Level.OK, subject, summary, lines=lines)


def warning(subject: str, summary: str, remedy: str, *lines: str) -> Finding:
    return Finding(Level.WARNING, subject, summary, remedy, lines)


def problem(subject: str, summary: str, remedy: str, *lines: str, passing: bool = False) -> Finding:
    return Finding(Level.ERROR, subject, summary, remedy, lines, passing)
