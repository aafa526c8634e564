"""Messages: what Discord should show about each request. The messenger claims them under leases on requests.

A change bumps the revision that is wanted of each message that it affects, in its own transaction. Rows are
locked in the order request, runs, messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, case, func, or_, select, update

from bot.database.engine import Repository, reads, writes, writes_unsynced
from bot.database.rows import (
    FRESH,
    SETTLE_STATUS,
    Change,
    bump,
    is_pending,
    message_key,
    messages_of,
    read_batches,
    read_messages,
    set_columns,
    set_each,
    want,
)
from bot.database.tables import UtcDateTime, is_any, messages, requests, runs
from bot.domain.messages import COPIES, FAILURE, Claim, Message, Messages, Purpose, Release
from bot.domain.moderation import AuditAction
from bot.domain.runs import Run
from bot.store.audit import add_entries, run_entry

# How soon to look again for a message that is due, but whose request is under a lease.
_LOOK_AGAIN = timedelta(seconds=1)
# Discord lets a bot post five messages in five seconds in a channel: two at a time are enough for that.
PER_CHANNEL = 2
# The lease of the process that accepts a request, until it has shown the status message.
ACCEPTING = "accept"
_NO_ANSWER = {"status_message_id": None, "interaction_token": None, "interaction_expires_at": None}
_NOW = bindparam("now", type_=UtcDateTime())


class MessageStore(Repository):
    """The messages. Every method raises StoreUnavailable if the database doesn't respond."""

    @reads
    def next_due(self, connection: Connection, now: datetime, busy: Sequence[Message]) -> datetime | None:
        """Return when `turn` finds a message, or None if only another change can make one due."""
        # A read takes no locks, and usually nothing is due.
        return _due(connection, _DUE, now, busy, room=1)[1]

    @writes_unsynced
    def turn(
        self,
        connection: Connection,
        released: Collection[Release],
        leases: Sequence[str],
        busy: Sequence[Message],
        now: datetime,
        until: datetime,
    ) -> tuple[Sequence[Claim], datetime | None]:
        """Release claims, and claim pending messages under the new `leases`, the longest overdue first.

        Messages to full channels are skipped, and those of requests under another lease or with a message in
        `busy`, which this process is showing. Status messages come last. If there is none, return also when
        the next one is due.
        """
        if released:
            _release(connection, released)
        if not leases:
            return (), None
        rows, due_at = _due(connection, _DUE_LOCKED, now, busy, room=len(leases))
        taken, found = [each.channel_id for each in busy], dict[str, Row[Any]]()
        for row in rows:
            if row.request_key not in found and row.channel_id not in full_channels(taken):
                found[row.request_key] = row
                taken.append(row.channel_id)
        owners = dict(zip(found, leases, strict=False))
        held = [({"key": key}, {"lease_owner": owner, "lease_until": until}) for key, owner in owners.items()]
        set_each(connection, requests, held)
        claimed = [message_key(key, row.purpose, row.number) for key, row in found.items()]
        set_each(connection, messages, [(which, {}) for which in claimed], {"failures": FAILURE})
        all_messages, all_runs = read_messages(connection, found), read_batches(connection, found)
        claims = [
            Claim(lease=owners[key], message=own[row.purpose, row.number], runs=all_runs[key], messages=own)
            for key, row in found.items()
            if (own := all_messages[key])
        ]
        return claims, due_at

    @writes_unsynced
    def extend(self, connection: Connection, claim: Claim, until: datetime) -> bool:
        """Extend the lease during a long transfer; return False if it was lost."""
        return _hold(connection, claim, lease_until=until)

    @writes
    def begin(self, connection: Connection, claim: Claim, until: datetime) -> bool:
        """Store the attempt to post a part, or to edit it into the answer, and the parts posted before.

        Returns False if nothing may be sent, because the lease is lost or something has changed.
        """
        return _hold(connection, claim, lease_until=until) and _store(connection, claim.message)

    @writes
    def checked(
        self,
        connection: Connection,
        claim: Claim,
        checked: Sequence[Run],
        now: datetime,
        until: datetime,
        channel_id: int | None,
    ) -> bool:
        """Store the verdicts on outputs, and have a card in a channel show what waits for a moderator.

        Undecided outputs are hidden at `until`. Returns False if the claim's lease was lost, or if the
        message has changed, since an update may have replaced the outputs that were checked.
        """
        if not (_hold(connection, claim, lease_owner=claim.lease) and _store(connection, claim.message)):
            return False
        for run in checked:
            limit = until if run.held else None
            set_columns(connection, runs, {"key": run.key}, {"verdicts": run.verdicts, "held_until": limit})
        if any(run.held for run in checked):
            ask_about_pictures(connection, claim.message.request_key, now, channel_id=channel_id)
        return True

    @writes_unsynced
    def answered(self, connection: Connection, key: str, message_id: int | None, now: datetime) -> None:
        """End the lease of the process that has accepted a request, and store its status message.

        A messenger shows it if it couldn't be shown, or if the lease was lost.
        """
        ended = {"lease_owner": None, "lease_until": None, "status_message_id": message_id}
        own = {"key": key, "lease_owner": ACCEPTING}
        if set_columns(connection, requests, own, ended) and message_id is not None:
            answer = {**message_key(key, Purpose.STATUS, 0), "wanted_rev": 1}
            set_columns(connection, messages, answer, {"shown_rev": 1, "due_at": now})

    async def release_leases(self) -> None:
        """Release every lease. Call this only if no other process sends messages.

        Another process may still be bringing the schema up to date, so this waits as long as that may take.
        """
        held = update(requests).where(requests.c.lease_owner.is_not(None))
        free = held.values(lease_owner=None, lease_until=None)
        await self._database.migrate(lambda connection: connection.execute(free))

    @writes
    def make_due(self, connection: Connection, now: datetime) -> None:
        """Make all pending messages due now that a failure has put off."""
        later = update(messages).where(is_pending, messages.c.failures > 0, messages.c.due_at > now)
        connection.execute(later.values(due_at=now))

    @reads
    def of_request(self, connection: Connection, request_key: str) -> Messages:
        return messages_of(connection, request_key)


def _hold(connection: Connection, claim: Claim, **values: object) -> bool:
    """Lock the request of a claim, with these values; return False if the lease was lost."""
    own = {"key": claim.message.request_key, "lease_owner": claim.lease}
    return set_columns(connection, requests, own, values) == 1


def ask_about_pictures(connection: Connection, key: str, now: datetime, **channel: int | None) -> None:
    """Replace the card about a request's waiting pictures with a new one."""
    card = messages_of(connection, key).get((Purpose.PICTURES, 0))
    stale = (*card.stale, *card.refs) if card is not None else ()
    values = {**FRESH, "posted": (), "stale": stale, "attempt": None, **channel}
    want(connection, key, Purpose.PICTURES, 0, now, values)


# What a claim may change of its message.
_OF_CLAIM = ("posted", "stale", "attempt", "rendering", "place", "failures", "offered")


def _of_claim(message: Message) -> dict[str, object]:
    return {name: getattr(message, name) for name in _OF_CLAIM}


def _store(connection: Connection, message: Message) -> bool:
    """Store a claimed message; return False if it has changed since the claim."""
    key = message_key(message.request_key, message.purpose, message.number)
    return (
        set_columns(connection, messages, {**key, "wanted_rev": message.wanted_rev}, _of_claim(message)) == 1
    )


def _release(connection: Connection, released: Collection[Release]) -> None:
    """Release claims, and store their messages or, of one that has changed, only what was posted."""
    keys = [release.claim.message.request_key for release in released]
    owners = {row.key: row.lease_owner for row in connection.execute(_OWNERS, {"keys": keys})}
    stored = read_messages(connection, keys)
    of_requests, of_messages, settled = list[Change](), list[Change](), list[Release]()
    for release in sorted(released, key=lambda each: each.claim.message.request_key):
        message = release.claim.message
        before = stored[message.request_key].get((message.purpose, message.number))
        held = owners.get(message.request_key) == release.claim.lease
        is_settled = held and before is not None and before.wanted_rev == message.wanted_rev
        if held:
            answer = {"status_message_id": release.status_id} if release.status_id is not None else {}
            ended = _NO_ANSWER if is_settled and release.ends_answer else {}
            freed = {"lease_owner": None, "lease_until": None, **answer, **ended}
            of_requests.append(({"key": message.request_key}, freed))
        if before is not None and (values := _after(release, before, held=held)):
            of_messages.append((message_key(message.request_key, message.purpose, message.number), values))
        settled += [release] if is_settled else []
    set_each(connection, requests, of_requests)
    set_each(connection, messages, of_messages)
    for release in settled:
        _follow(connection, release)


def _after(release: Release, before: Message, *, held: bool) -> dict[str, object]:
    """Return the columns of a message after the release of its claim. It is stored as `before`."""
    message, due_at = release.claim.message, release.due_at
    if held and before.wanted_rev == message.wanted_rev:
        if not release.shown:
            return {**_of_claim(message), "due_at": due_at}
        shown = _of_claim(replace(message, attempt=None, failures=0))
        return {**shown, "due_at": due_at, "shown_rev": message.wanted_rev}
    lost = [part for part in release.claim.unstored if part.ref not in before.refs]
    if held:
        for part in lost:
            before = before.with_part(part)
        return {"posted": before.posted, "stale": before.stale, "attempt": before.attempt, "due_at": due_at}
    if not lost:
        return {}
    # Without the lease, what was posted is to be deleted, unless somebody else has found it.
    stale = (*before.stale, *(part.ref for part in lost))
    return {"stale": stale, "wanted_rev": before.wanted_rev + 1}


def _follow(connection: Connection, release: Release) -> None:
    """Have the messages changed that depend on a released one, and record what became of a copy."""
    claim, message = release.claim, release.claim.message
    if release.ends_answer:
        connection.execute(SETTLE_STATUS, {"of_request": message.request_key})
    if release.changes:
        bump(connection, message.request_key, release.due_at, is_any(messages.c.purpose, release.changes))
    if release.shown and message.purpose in COPIES and (message.posted or release.failed):
        run, channel = claim.run, f"<#{message.channel_id}>"
        about = (AuditAction(message.purpose), run.requester_id, release.due_at)
        add_entries(connection, run_entry(run, *about, outcome=release.failed, channel=channel))


def full_channels(in_use: Iterable[int | None]) -> list[int]:
    """Return those of the channels of the messages in progress that take no more messages."""
    return [channel for channel, count in Counter(in_use).items() if channel and count >= PER_CHANNEL]


def _due(
    connection: Connection, query: Select[Any], now: datetime, busy: Sequence[Message], *, room: int
) -> tuple[Sequence[Row[Any]], datetime | None]:
    """Return the keys of the messages that are due, and when the first one is."""
    keys = [each.request_key for each in busy]
    full = full_channels(each.channel_id for each in busy)
    values = {"now": now, "full": full, "busy": keys, "room": room}
    rows = connection.execute(query, values).all()
    first = now if rows else connection.scalar(_NEXT_DUE)
    return rows, first if rows or first is None else max(first, now + _LOOK_AGAIN)


_OWNERS = (
    select(requests.c.key, requests.c.lease_owner)
    .where(requests.c.key.in_(bindparam("keys", expanding=True)))
    .order_by(requests.c.key)
    .with_for_update()
)
_is_free = or_(requests.c.lease_until.is_(None), requests.c.lease_until <= _NOW)
_is_full = messages.c.channel_id.in_(bindparam("full", expanding=True))
_DUE = (
    select(messages.c.request_key, messages.c.purpose, messages.c.number, messages.c.channel_id)
    .join(requests, requests.c.key == messages.c.request_key)
    .where(is_pending, messages.c.due_at <= _NOW, _is_free)
    .where(or_(messages.c.channel_id.is_(None), ~_is_full))
    .where(messages.c.request_key.not_in(bindparam("busy", expanding=True)))
    .order_by(case((messages.c.purpose == Purpose.STATUS, 1), else_=0), messages.c.due_at)
    .limit(bindparam("room"))
)
_DUE_LOCKED = _DUE.with_for_update(skip_locked=True, of=requests)
_NEXT_DUE = select(func.min(messages.c.due_at)).where(is_pending)
