"""The promises of the bot, checked against what people saw and what the services were asked to do.

Each module checks one kind of promise. `always` is what must hold after every step, `at_the_end` what must
hold once all trouble is over and everything had time to end.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.evidence import Evidence
from tests.simulation.gaps import excuse
from tests.simulation.promises import (
    ages,
    ceilings,
    choices,
    copies,
    decisions,
    estimates,
    moderation,
    notices,
    outcomes,
    privacy,
    readers,
    records,
    rights,
    services,
    truth,
    turns,
    uploads,
    usage,
    wakeups,
)
from tests.simulation.promises.shared import Broken as Broken
from tests.simulation.story import Story

_ALWAYS = (outcomes.always, privacy.always)
_AT_THE_END = (
    ceilings.at_the_end,
    choices.at_the_end,
    outcomes.at_the_end,
    rights.at_the_end,
    truth.at_the_end,
    ages.at_the_end,
    copies.at_the_end,
    decisions.at_the_end,
    estimates.at_the_end,
    moderation.at_the_end,
    notices.at_the_end,
    readers.at_the_end,
    records.at_the_end,
    services.at_the_end,
    turns.at_the_end,
    uploads.at_the_end,
    usage.at_the_end,
    wakeups.at_the_end,
)


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
