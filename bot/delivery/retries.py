"""The retry schedule of deliveries, and when one is sent without its files."""

from __future__ import annotations

import random
from datetime import timedelta

# A courier that doesn't extend its lease has died, and another takes the delivery over.
LEASE = timedelta(seconds=60)
MAX_TRIES = 20
# From this try on, an output that can't be downloaded is replaced by a link or a sentence.
LAST_MEDIA_TRY = 5
_MAX_PAUSE = 600.0


def pause_after(tries: int) -> timedelta:
    """Return the pause after a failed try: it doubles up to ten minutes, with jitter against bursts."""
    return timedelta(seconds=min(2.0**tries, _MAX_PAUSE) * random.uniform(0.5, 1))
