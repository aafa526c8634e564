"""Who is next in the bot's own queue: first come, first served, over people not requests. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple


class QueueEntry(NamedTuple):
    """A run as far as the queue is concerned."""

    key: str
    deployment: str
    requester_id: int
    created_at: datetime
    guild_id: int | None = None
    person_limit: int | None = None
    server_limit: int | None = None


def fair_order(waiting: Sequence[QueueEntry], busy: Sequence[QueueEntry]) -> list[QueueEntry]:
    """The waiting runs of one deployment in the order in which they go.

    Somebody's nth run goes after everybody else's runs before their nth, so that one person with twenty
    requests does not hold up the person with one.
    """
    had = Counter(place.requester_id for place in busy)
    turns: list[tuple[int, datetime, str, QueueEntry]] = []
    for place in sorted(waiting, key=lambda place: (place.created_at, place.key)):
        turns.append((had[place.requester_id], place.created_at, place.key, place))
        had[place.requester_id] += 1
    return [turn[-1] for turn in sorted(turns)]


def next_to_submit(
    waiting: Sequence[QueueEntry],
    busy: Sequence[QueueEntry],
    limit: Callable[[str], int | None],
    served: Sequence[QueueEntry] = (),
) -> QueueEntry | None:
    """The run to submit now, or None when every deployment with waiting runs is at its limit.

    `served` are runs that had their turn while somebody waited who still waits, and have ended: with room
    for one run at a time nobody is busy when the next is chosen, and yet it is another person's turn.
    """
    had = [*busy, *served]
    running = Counter(place.deployment for place in busy)
    fits = _room(busy)
    heads = []
    for deployment, queue in _by_deployment(waiting).items():
        allowed = limit(deployment)
        if allowed is None or running[deployment] < allowed:
            heads.append(next(filter(fits, fair_order(queue, _of(had, deployment))), None))
    found = (head for head in heads if head is not None)
    return min(found, key=lambda place: (place.created_at, place.key), default=None)


def _room(busy: Sequence[QueueEntry]) -> Callable[[QueueEntry], bool]:
    """Whether a person and a server may have one more run at once; counted once, asked for each."""
    persons = Counter((place.guild_id, place.requester_id) for place in busy)
    servers = Counter(place.guild_id for place in busy)

    def fits(place: QueueEntry) -> bool:
        own, here = persons[place.guild_id, place.requester_id], servers[place.guild_id]
        return (place.person_limit is None or own < place.person_limit) and (
            place.server_limit is None or here < place.server_limit
        )

    return fits


def positions(waiting: Sequence[QueueEntry], busy: Sequence[QueueEntry]) -> dict[str, int]:
    """Each waiting run's place in its deployment's queue, the next one being 1."""
    return {
        place.key: number
        for deployment, queue in _by_deployment(waiting).items()
        for number, place in enumerate(fair_order(queue, _of(busy, deployment)), 1)
    }


def _by_deployment(places: Sequence[QueueEntry]) -> Mapping[str, list[QueueEntry]]:
    groups: dict[str, list[QueueEntry]] = {}
    for place in places:
        groups.setdefault(place.deployment, []).append(place)
    return groups


def _of(places: Sequence[QueueEntry], deployment: str) -> list[QueueEntry]:
    return [place for place in places if place.deployment == deployment]
