"""The promises of the bot, checked against what people saw and what the services were asked to do.

Each module checks one kind of promise. `always` is what must hold after every step, `at_the_end` what must
hold once all trouble is over and everything had time to end.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from tests.simulation.evidence import Evidence
from tests.simulation.gaps import excuse
from tests.simulation.promises.shared import Broken as Broken
from tests.simulation.story import Story

_MODULES = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
_ALWAYS = [module.always for module in _MODULES if hasattr(module, "always")]
_AT_THE_END = [module.at_the_end for module in _MODULES if hasattr(module, "at_the_end")]


def always(story: Story) -> Iterator[Broken]:
    """Check what must hold after every step."""
    evidence = Evidence(story)
    for check in _ALWAYS:
        yield from check(evidence)


def at_the_end(story: Story) -> Iterator[Broken]:
    """Check everything. A known gap breaks no promise: it is counted in `story.gaps`."""
    evidence = Evidence(story)
    story.gaps.clear()
    for check in (*_ALWAYS, *_AT_THE_END):
        for broken in check(evidence):
            gap = excuse(story, broken.promise, broken.request)
            if gap is None:
                yield broken
            else:
                story.gaps.append(gap)
