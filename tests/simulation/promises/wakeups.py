"""A promise: workers are woken when an item becomes due, and don't find it only after their longest sleep."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.simulation.evidence import Evidence
from tests.simulation.promises.shared import Broken

_LATE = re.compile(r"bot\.workers\.worker (submit|check|show|probe|progress) found an item that nothing had")
# Seconds after which a worker looks for due items without being woken.
_LONGEST_SLEEP = 30.0
# Faults that may lose a wake-up or move the clock.
_EXCUSES = re.compile(r"clock|is killed|SIGTERM|database|COMMIT|fails: ")


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    """Check for log lines about items that no wake-up announced, unless a fault may have lost it."""
    log = evidence.story.world.log
    struck = [entry.at for entry in log if entry.who == "trouble" and _EXCUSES.search(entry.text)]
    for entry in log:
        late = _LATE.search(entry.text)
        slept_since = entry.at - _LONGEST_SLEEP
        if late is not None and not any(slept_since <= at <= entry.at for at in struck):
            yield Broken(
                "no worker oversleeps", late[1], f"{entry.who} found something late at {entry.at:.3f}"
            )
