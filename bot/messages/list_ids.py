"""What the controls under `/runs` carry in their custom_ids: the filter and the page, so that they work after
any restart. Whose runs are meant comes with the press, never from here."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bot.domain.errors import RefusedError
from bot.domain.runs import PagePlace, RunCursor, RunFilter, Step


class Control(StrEnum):
    """What a control does: turns the page, or acts on the chosen run and shows the same page again."""

    PAGE = "page"
    CANCEL = "cancel"
    POST = "post"


RUN_FILTERS = tuple(RunFilter)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PATTERN = re.compile(
    r"runs:(?P<control>page|cancel|post):(?P<step>[on]):(?P<wanted>[a-z]{1,10}):"
    r"(?P<micros>[0-9]{1,18}):(?P<key>[a-z0-9]{0,20})"
)


def newest(state: str) -> PagePlace:
    """The first page; RefusedError for a state that is not among `RUN_FILTERS`."""
    if state not in RUN_FILTERS:
        raise RefusedError("list_stale", f"{state!r} is not on offer")
    return PagePlace(RunFilter(state))


def runs_id(control: Control, place: PagePlace) -> str:
    cursor = place.cursor
    micros = (cursor.at - _EPOCH) // timedelta(microseconds=1) if cursor else 0
    return f"runs:{control}:{place.step}:{place.wanted}:{micros}:{cursor.key if cursor else ''}"


def read_runs_id(match: re.Match[str]) -> PagePlace:
    """Raises RefusedError for what no version of ours has made."""
    try:
        wanted = RunFilter(match["wanted"])
        at = _EPOCH + timedelta(microseconds=int(match["micros"]))
    except (ValueError, OverflowError) as error:
        raise RefusedError("list_stale", str(error)) from error
    cursor = RunCursor(at, match["key"]) if match["key"] else None
    return PagePlace(wanted, Step(match["step"]), cursor)
