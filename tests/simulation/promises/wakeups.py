"""No worker sleeps while something is due that it could handle."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.simulation.evidence import Evidence
from tests.simulation.promises.shared import Broken

_LATE = re.compile(r"bot\.workers\.worker (submit|check|show|probe|progress) found an item that nothing had")
# The clock has moved, or a wake-up was lost with its process or with a reply of the database.
_LONGEST_SLEEP = 30.0
_EXCUSES = re.compile(r"clock|is killed|SIGTERM|database|COMMIT|fails: ")


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    """What a worker finds only because no sleep is longer came late, unless a wake-up may be lost."""
    log = evidence.story.world.log
    struck = [entry.at for entry in log if entry.who == "trouble" and _EXCUSES.search(entry.text)]
    for entry in log:
        late = _LATE.search(entry.text)
        slept_since = entry.at - _LONGEST_SLEEP
        if late is not None and not any(slept_since <= at <= entry.at for at in struck):
            yield Broken(
                "no worker oversleeps", late[1], f"{entry.who} found something late at {entry.at:.3f}"
            )
