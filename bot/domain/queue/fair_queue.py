"""The fair queue. Users take turns, so many requests from one user don't delay the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple


class QueueEntry(NamedTuple):
    """A waiting or active run, as the queue sees it."""

    key: str
    deployment: str
    requester_id: int
    created_at: datetime
    guild_id: int | None = None
    user_limit: int | None = None
    server_limit: int | None = None


def fair_order(waiting: Sequence[QueueEntry], busy: Sequence[QueueEntry]) -> list[QueueEntry]:
    """Return the waiting runs of one deployment in the order in which they are submitted.

    A run ranks by the number of its user's runs ahead of it, active ones included, so twenty requests from
    one user don't delay another user's first.
    """
    counts = Counter(entry.requester_id for entry in busy)
    ranked: list[tuple[int, datetime, str, QueueEntry]] = []
    for entry in sorted(waiting, key=lambda entry: (entry.created_at, entry.key)):
        ranked.append((counts[entry.requester_id], entry.created_at, entry.key, entry))
        counts[entry.requester_id] += 1
    return [rank[-1] for rank in sorted(ranked)]


def next_to_submit(
    waiting: Sequence[QueueEntry],
    busy: Sequence[QueueEntry],
    limit: Callable[[str], int | None],
    served: Sequence[QueueEntry] = (),
) -> QueueEntry | None:
    """Return the run to submit now, or None if every deployment with waiting runs is at its limit.

    `served` are runs that were submitted and ended since the oldest waiting run arrived. If only one run fits
    at a time, nothing is active when the next is chosen, but the turn must still pass to another user.
    """
    counted = [*busy, *served]
    running = Counter(entry.deployment for entry in busy)
    fits = within_limits(busy)
    candidates = []
    for deployment, queue in _by_deployment(waiting).items():
        allowed = limit(deployment)
        if allowed is None or running[deployment] < allowed:
            candidates.append(next(filter(fits, fair_order(queue, _of(counted, deployment))), None))
    eligible = (candidate for candidate in candidates if candidate is not None)
    return min(eligible, key=lambda entry: (entry.created_at, entry.key), default=None)


def within_limits(busy: Sequence[QueueEntry]) -> Callable[[QueueEntry], bool]:
    """Return a predicate for whether a run fits its user's and its server's limits."""
    persons = Counter((entry.guild_id, entry.requester_id) for entry in busy)
    servers = Counter(entry.guild_id for entry in busy)

    def fits(entry: QueueEntry) -> bool:
        own, here = persons[entry.guild_id, entry.requester_id], servers[entry.guild_id]
        return (entry.user_limit is None or own < entry.user_limit) and (
            entry.server_limit is None or here < entry.server_limit
        )

    return fits


def positions(waiting: Sequence[QueueEntry], busy: Sequence[QueueEntry]) -> dict[str, int]:
    """Return each waiting run's position in its deployment's queue, starting at 1."""
    return {
        entry.key: number
        for deployment, queue in _by_deployment(waiting).items()
        for number, entry in enumerate(fair_order(queue, _of(busy, deployment)), 1)
    }


def _by_deployment(entries: Sequence[QueueEntry]) -> Mapping[str, list[QueueEntry]]:
    groups: dict[str, list[QueueEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.deployment, []).append(entry)
    return groups


def _of(entries: Sequence[QueueEntry], deployment: str) -> list[QueueEntry]:
    return [entry for entry in entries if entry.deployment == deployment]
