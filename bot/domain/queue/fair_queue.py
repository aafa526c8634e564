"""The fair queue. Users take turns, so that one user's many requests don't delay everyone else's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple


class QueueEntry(NamedTuple):
    """The fields of a run that the queue uses. `user_limit` and `server_limit` limit runs in flight."""

    key: str
    deployment: str
    requester_id: int
    created_at: datetime
    guild_id: int | None = None
    user_limit: int | None = None
    server_limit: int | None = None


class Occupied:
    """Counts runs in flight by deployment, user and server, and compares them with the limits."""

    def __init__(self, busy: Iterable[QueueEntry]) -> None:
        self._counts = Counter[object]()
        for entry in busy:
            self.add(entry)

    def add(self, entry: QueueEntry) -> None:
        self._counts.update(places(entry))

    def remove(self, entry: QueueEntry) -> None:
        self._counts.subtract(places(entry))

    def is_full(self, deployment: str, limit: int | None) -> bool:
        """Return whether a deployment is at its limit."""
        return limit is not None and self._counts[deployment] >= limit

    def allows(self, entry: QueueEntry) -> bool:
        """Return whether a run may start within the limits of its user and its server."""
        own, here = entry.user_limit, entry.server_limit
        return (own is None or self._counts[entry.guild_id, entry.requester_id] < own) and (
            here is None or self._counts[entry.guild_id] < here
        )


def lower_limit(of_deployment: int | None, of_operator: int | None) -> int | None:
    """Return the lower of two limits on a deployment's runs in flight, or None if neither is set."""
    return min((limit for limit in (of_deployment, of_operator) if limit), default=None)


def places(entry: QueueEntry) -> tuple[object, object, object]:
    """Return the keys under which a run is counted, for its deployment, its user and its server."""
    return entry.deployment, (entry.guild_id, entry.requester_id), entry.guild_id


def fair_order(waiting: Sequence[QueueEntry], busy: Sequence[QueueEntry]) -> list[QueueEntry]:
    """Return the waiting runs of one deployment in the order in which they are submitted.

    A run ranks by the number of its user's runs ahead of it, including those in `busy`. So twenty requests
    from one user don't delay the first request of another.
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
    """Return the run to submit now, or None if limits of deployments, users or servers hold back all of them.

    `limit` returns a deployment's limit. `served` are submitted runs that have ended lately, while a
    waiting run could have been submitted. They count as turns of their users, because with a limit of one,
    no run is active when the next one is chosen.
    """
    counted = [*busy, *served]
    occupied = Occupied(busy)
    candidates = []
    for deployment, queue in _by_deployment(waiting).items():
        if not occupied.is_full(deployment, limit(deployment)):
            order = fair_order(queue, _of(counted, deployment))
            candidates.append(next(filter(occupied.allows, order), None))
    eligible = (candidate for candidate in candidates if candidate is not None)
    return min(eligible, key=lambda entry: (entry.created_at, entry.key), default=None)


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
