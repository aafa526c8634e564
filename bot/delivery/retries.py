"""How often a delivery is tried, how long it pauses in between, and when it is reduced to links or words.

An outage is no try: `bot.delivery.outages` paces what follows from one.
"""

from __future__ import annotations

import random
from datetime import timedelta
from enum import IntEnum

# A courier that doesn't extend its lease has died, and another takes the delivery over.
LEASE = timedelta(seconds=60)
MAX_TRIES = 20
# From this try on, an output that can't be downloaded is replaced by a link or a sentence.
LAST_MEDIA_TRY = 5
# From these tries on, after half a minute and after two: whatever fails each time is left out.
_LINKS_TRY = 6
_WORDS_TRY = 8
_MAX_PAUSE = 600.0


class Form(IntEnum):
    """How much of an outcome is shown: all, links in place of its files, or a sentence with the links."""

    FULL = 0
    LINKS = 1
    WORDS = 2


def form_of(tries: int) -> Form:
    """Return the form in which the given try shows an outcome."""
    if tries < _LINKS_TRY:
        return Form.FULL
    return Form.LINKS if tries < _WORDS_TRY else Form.WORDS


def pause_after(tries: int, longest: float = _MAX_PAUSE) -> timedelta:
    """Return the pause after a failed try: it doubles up to `longest` seconds, with jitter against bursts."""
    return timedelta(seconds=min(2.0 ** min(tries, 30), longest) * random.uniform(0.5, 1))
