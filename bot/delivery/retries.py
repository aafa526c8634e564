"""Decide how often to try a delivery, how long to pause between tries, and when to simplify its message.

An outage doesn't count as a try; `bot.delivery.pace.outages` paces the deliveries during and after one.
"""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum
from random import Random
from typing import NamedTuple

from bot.domain.runs import DIRECT_UPLOAD_LIMIT

# If a courier doesn't extend its lease for this long, another takes the delivery over.
LEASE = timedelta(seconds=60)
MAX_TRIES = 20
# From this try on, an output that can't be downloaded is replaced by a link or a sentence.
LAST_MEDIA_TRY = 5
# From these tries on (after at least half a minute and two minutes), the outcome is shown in a simpler form.
_LINKS_TRY = 6
_WORDS_TRY = 8
# If Discord ignores a message but answers other calls, the message is simplified after this many attempts:
# first after about half an hour, then after about an hour.
_LINKS_AFTER = 10
_WORDS_AFTER = 14
# After this many such attempts, and this long, the next route is tried.
_ABANDONED_AFTER = 20
_ABANDONED_TIME = timedelta(days=1)
_MAX_PAUSE = 600.0


class Form(IntEnum):
    """The form of a message: complete, with links in place of its files, or only a sentence with the links.

    A card has its files only in the complete form.
    """

    FULL = 0
    LINKS = 1
    WORDS = 2


class Step(NamedTuple):
    """A way to post an outcome or a copy: its form, and the upload limit in bytes per file.

    With a limit of 0, all files are linked.
    """

    form: Form
    limit: int = 0


def form_of(tries: int) -> Form:
    """Return the form of the message in this try, counted from 1."""
    if tries < _LINKS_TRY:
        return Form.FULL
    return Form.LINKS if tries < _WORDS_TRY else Form.WORDS


def form_if_ignored(attempts: int) -> Form:
    """Return the form of a message after `attempts` that Discord ignored although it answered other calls."""
    if attempts < _LINKS_AFTER:
        return Form.FULL
    return Form.LINKS if attempts < _WORDS_AFTER else Form.WORDS


def is_route_abandoned(attempts: int, since: timedelta) -> bool:
    """Return whether Discord has ignored a message so often, and for so long, that the next route is tried.

    `attempts` counts the attempts that Discord ignored although it answered other calls. `since` is the time
    that has passed since the first of them.
    """
    return attempts >= _ABANDONED_AFTER and since >= _ABANDONED_TIME


def pause_after(tries: int, random: Random, longest: float = _MAX_PAUSE) -> timedelta:
    """Return the pause after a failed try.

    The pause doubles with each try, up to `longest` seconds. It is shortened at random by up to a half, so
    that retries don't come in bursts.
    """
    return timedelta(seconds=min(2.0 ** min(tries, 30), longest) * random.uniform(0.5, 1))


def steps(limit: int) -> list[Step]:
    """Return the ways to post an outcome or a copy, from the most complete to the simplest."""
    full = [Step(Form.FULL, each) for each in (limit, min(limit, DIRECT_UPLOAD_LIMIT), 0)]
    return [*full, Step(Form.LINKS), Step(Form.WORDS)]
