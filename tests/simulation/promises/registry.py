"""The list of all promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.simulation.evidence import Evidence, Request

Check = Callable[[Evidence], Iterator[tuple[str | Request, str]]]
"""A function that yields what a promise was broken about, and a detail."""
CHECKS: list[tuple[str, Check]] = []


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that wasn't kept."""

    promise: str
    about: str | Request
    detail: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.about}: {self.detail}"


def promise(name: str) -> Callable[[Check], Check]:
    """Register the decorated check of a promise."""

    def register(check: Check) -> Check:
        CHECKS.append((name, check))
        return check

    return register
