"""Check the bot's promises against the messages that people saw and the calls that the services got.

Each check is a function over the evidence of a round in which all faults are over and everything had time to
end.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.simulation.evidence import Evidence, Request
from tests.simulation.story import Story

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


for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{module.name}")


def broken_promises(story: Story) -> Iterator[Broken]:
    evidence = Evidence(story)
    for name, check in CHECKS:
        for about, detail in check(evidence):
            yield Broken(name, about, detail)
