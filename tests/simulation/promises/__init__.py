"""Check the bot's promises against the messages that people saw and the calls that the services got.

Each module checks one kind of promise: `always` after every step, and `at_the_end` once all faults are over
and everything had time to end.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from tests.simulation.evidence import Evidence, Request
from tests.simulation.gaps import excuse
from tests.simulation.promises.shared import Broken as Broken
from tests.simulation.story import Story

_MODULES = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
_ALWAYS = [module.always for module in _MODULES if hasattr(module, "always")]
_AT_THE_END = [module.at_the_end for module in _MODULES if hasattr(module, "at_the_end")]


def always(story: Story) -> Iterator[Broken]:
    """Check the promises that hold at every moment."""
    evidence = Evidence(story)
    for check in _ALWAYS:
        yield from check(evidence)


def at_the_end(story: Story) -> Iterator[Broken]:
    """Check all promises. Known gaps aren't yielded but counted in `story.gaps`."""
    evidence = Evidence(story)
    story.gaps.clear()
    for check in (*_ALWAYS, *_AT_THE_END):
        for broken in check(evidence):
            about = broken.about
            gap = excuse(story, broken.promise, about if isinstance(about, Request) else None)
            if gap is None:
                yield broken
            else:
                story.gaps.append(gap)
