"""Buffer progress in memory and write it at most once a second, not in a transaction for each step of a run.

Buffered progress is lost if the process dies, or if the database is unavailable. State changes are never
buffered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bot.domain.runs import IN_FLIGHT, RunReport, RunState
from bot.domain.transitions import is_progress

_KNOWN_RUNS = 10_000


class _Known(NamedTuple):
    run_id: str
    state: RunState


class ProgressBuffer:
    """Buffers reports that change a run's progress, and drops those that change nothing."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._news: dict[str, RunReport] = {}

    def add(self, key: str, report: RunReport) -> bool:
        """Buffer a report, or return False if it has to be recorded immediately."""
        known = self._known.get(key)
        if known is None or known.run_id != report.run_id:
            return False
        if known.state is RunState.SUCCEEDED:
            return True  # nothing that a webhook says changes a success
        if not is_progress(known.state, report.state):
            return False
        if report.outputs or (report.progress is not None and report.progress >= 1):
            return False  # outputs aren't progress, and after its last node the run is polled soon
        self._news[key] = report
        return True

    def remember_state(self, key: str, report: RunReport, state: RunState) -> None:
        """Remember the state that the store has just recorded, and drop the run's buffered progress."""
        self._news.pop(key, None)
        if state not in IN_FLIGHT and state is not RunState.SUCCEEDED:
            self._known.pop(key, None)
            return
        self._known[key] = _Known(report.run_id, state)
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN_RUNS:
            self._known.popitem(last=False)

    async def claim(self, _room: int) -> Sequence[Mapping[str, RunReport]]:
        """Return the reports buffered since the last call, by run key."""
        news, self._news = self._news, {}
        return [news] if news else []
