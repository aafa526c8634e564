"""Check the bot's promises against the messages that people saw and the calls that the services got.

Each check is a function over the evidence of a round in which all faults are over and everything had time to
end.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from tests.simulation.evidence import Evidence
from tests.simulation.promises.registry import CHECKS, Broken
from tests.simulation.story import Story

for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{module.name}")


def broken_promises(story: Story) -> Iterator[Broken]:
    evidence = Evidence(story)
    for name, check in CHECKS:
        for about, detail in check(evidence):
            yield Broken(name, about, detail)
