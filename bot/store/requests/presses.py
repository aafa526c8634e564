"""Recognize a second press of the same button, even in another process or after a restart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from bot.database.tables import requests
from bot.domain.requests import Requester

# A second press of the same button within this time counts as a double click.
DOUBLE_PRESS = timedelta(seconds=5)
# An earlier press may be accepted after the second one was made, because requests queue for the database. A
# request from further in the future was accepted before the clock was set back.
_LATEST = timedelta(minutes=1)
# When the press was accepted, and its interaction.
_Accepted = tuple[datetime, int | None]


class RecentPresses:
    """The presses that started a run a moment ago, read in the transaction that accepts new requests."""

    def __init__(self, accepted: Iterable[tuple[int, str, datetime, int | None]] = ()) -> None:
        self._accepted: defaultdict[tuple[int, str], list[_Accepted]] = defaultdict(list)
        for user_id, press_id, created_at, interaction_id in accepted:
            self._accepted[user_id, press_id].append((created_at, interaction_id))

    def is_repeated(self, requester: Requester) -> bool:
        """Return whether the same user pressed the same button a moment earlier.

        An interaction that another process has accepted is not a second press.
        """
        press = requester.press
        if press is None:
            return False
        own = requester.origin.interaction_id
        return any(
            press.at - DOUBLE_PRESS < created_at < press.at + _LATEST
            and (own is None or interaction_id != own)
            for created_at, interaction_id in self._accepted.get((requester.person.id, press.id), ())
        )

    def add(self, requester: Requester, now: datetime) -> None:
        """Remember a press that was accepted at `now`."""
        if requester.press is not None:
            accepted = (now, requester.origin.interaction_id)
            self._accepted[requester.person.id, requester.press.id].append(accepted)


def read_presses(connection: Connection, requesters: Sequence[Requester]) -> RecentPresses:
    """Return the recent presses of these users. Without a press, as for commands, nothing is queried."""
    presses = [(each.person.id, each.press) for each in requesters if each.press is not None]
    if not presses:
        return RecentPresses()
    since = min(press.at for _, press in presses) - DOUBLE_PRESS
    found = connection.execute(
        select(
            requests.c.requester_id, requests.c.press, requests.c.created_at, requests.c.interaction_id
        ).where(
            requests.c.requester_id.in_({user_id for user_id, _ in presses}),
            requests.c.created_at > since,
            requests.c.press.in_({press.id for _, press in presses}),
        )
    )
    return RecentPresses((user_id, press, at, interaction) for user_id, press, at, interaction in found)
