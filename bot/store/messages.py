"""Messages: what Discord should show about each request. The messenger claims them under leases on requests.

A change bumps the revision that is wanted of each message that it affects, in its own transaction. Rows are
locked in the order request, runs, messages.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)

from bot.database.column_types import UtcDateTime
from bot.database.engine import Database, reads, writes
from bot.database.message_rows import (
    FRESH,
    Messages,
    bump,
    is_message,
    is_pending,
    pack_attempt,
    read_messages,
    to_message,
    want,
)
from bot.database.row_locks import lock_batch_if_any, lock_requests
from bot.database.rows import runs_of
from bot.database.tables import messages, requests
from bot.domain.messages.ladder import FAILURE
from bot.domain.messages.records import OUTCOMES, Attempt, Claim, Kind, Message, MessageRef, Part
from bot.domain.requests import Origin
from bot.domain.results.showing import is_spoiler
from bot.domain.runs import Run
from bot.store.rules import read_rules

# The lease of the process that accepts a request, until it has shown the status message.
ACCEPTING = "accept"
_NO_ANSWER = {"status_message_id": None, "interaction_token": None, "interaction_expires_at": None}
_NOW = bindparam("now", type_=UtcDateTime())
_IS_FREE = or_(requests.c.lease_until.is_(None), requests.c.lease_until <= _NOW)


def lease(
    connection: Connection, request_key: str, kind: Kind, number: int, owner: str, until: datetime
) -> Claim:
    """Take the lease of a locked request, and count an attempt at one of its messages."""
    own = update(requests).where(requests.c.key == request_key)
    connection.execute(own.values(lease_owner=owner, lease_until=until))
    tried = update(messages).where(*is_message(request_key, kind, number))
    connection.execute(tried.values(failures=messages.c.failures + FAILURE))
    found = read_messages(connection, [request_key])[request_key]
    batch = runs_of(connection, request_key)
    return Claim(lease=owner, message=found[kind, number], runs=batch, messages=found)


class MessageStore:
    """The messages. Every method raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    def next_due(
        self, connection: Connection, now: datetime, *, full: Collection[int], busy: Collection[str]
    ) -> datetime | None:
        """Return when `claim` finds a message, or None if only another change can make one due.

        If that is `now`, the other parameters mean the same as there.
        """
        # A read takes no locks, and usually nothing is due.
        if _due(connection, now, full, busy) is not None:
            return now
        return min(filter(None, connection.execute(NEXT_DUE, {"now": now}).one()), default=None)

    @writes
    def claim(
        self,
        connection: Connection,
        owner: str,
        now: datetime,
        until: datetime,
        *,
        full: Collection[int],
        busy: Collection[str],
    ) -> Claim | None:
        """Claim the pending message that has been due for the longest time, or return None.

        Messages to channels in `full` are skipped, and those of requests under another lease or in `busy`.
        Status messages come last.
        """
        row = _due(connection, now, full, busy, lock=True)
        return lease(connection, row.request_key, Kind(row.kind), row.number, owner, until) if row else None

    @writes
    def extend(self, connection: Connection, claim: Claim, until: datetime) -> None:
        """Extend the lease during a long transfer, unless it was lost."""
        _hold(connection, claim, lease_until=until)

    @writes
    def begin(self, connection: Connection, claim: Claim, attempt: Attempt, until: datetime) -> bool:
        """Store that a part is about to be posted, or edited into the answer.

        Returns False if nothing may be sent, because the lease is lost or something has changed.
        """
        if not _hold(connection, claim, lease_until=until):
            return False
        part = attempt.part
        stored = {"attempt": pack_attempt(attempt), "form": part.form, "place": part.place}
        same = messages.c.wanted_rev == claim.message.wanted_rev
        begun = update(messages).where(*_is_of(claim), same).values(stored)
        return connection.execute(begun).rowcount == 1

    @writes
    def posted(self, connection: Connection, claim: Claim, part: Part) -> Claim | None:
        """Store a part that was posted or found, and return the claim with it.

        Returns None if the lease was lost. Unless somebody else has found it, the part is then deleted.
        """
        held = _hold(connection, claim)
        if not held:
            lock_requests(connection, [claim.message.request_key])
        row = connection.execute(select(messages).where(*_is_of(claim))).first()
        if row is None:
            return None
        message = to_message(row)
        if held or part.ref in message.refs:
            message = message if part.ref in message.refs else message.with_part(part)
            _store_posted(connection, message)
            # The claim stays at its revision, so that a change since then is seen.
            same = replace(message, wanted_rev=claim.message.wanted_rev)
            return claim.with_message(same) if held else None
        lost = {"stale": [*message.stale, part.ref], "wanted_rev": message.wanted_rev + 1}
        connection.execute(update(messages).where(*_is_of(claim)).values(lost))
        return None

    @writes
    def finish(
        self,
        connection: Connection,
        claim: Claim,
        due_at: datetime,
        *,
        shown: bool,
        values: Mapping[str, Any] | None = None,
        error: str | None = None,
        ends_answer: bool = False,
        tells_card: bool = False,
    ) -> None:
        """Release a claim. Store `values` unless the message has changed since, and whether it is shown.

        If it isn't, or has changed, it is due at `due_at`. `ends_answer` drops the interaction's token.
        `tells_card` has the review card changed, which links to the result.
        """
        if not _hold(connection, claim, lease_owner=None, lease_until=None):
            return
        rev = claim.message.wanted_rev
        done = {"failures": 0, "attempt": None, "shown_rev": rev} if shown else {}
        own, same = _is_of(claim), messages.c.wanted_rev == rev
        about = {"due_at": due_at, "error": error[:500] if error else None}
        stored: dict[str, Any] = {**(values or {}), **done, **about}
        if "posted" in stored:
            stored["posted"] = [asdict(part) for part in stored["posted"]]
        if not connection.execute(update(messages).where(*own, same).values(stored)).rowcount:
            connection.execute(update(messages).where(*own).values(due_at=due_at))
        elif ends_answer:
            request = update(requests).where(requests.c.key == claim.message.request_key)
            connection.execute(request.values(_NO_ANSWER))
        if tells_card:
            bump(connection, claim.message.request_key, due_at, messages.c.kind == Kind.REVIEW)

    @writes
    def note_answer(self, connection: Connection, claim: Claim, message_id: int) -> None:
        """Store the id of a status message that wasn't known."""
        _hold(connection, claim, status_message_id=message_id)

    @writes
    def answered(self, connection: Connection, key: str, message_id: int | None, now: datetime) -> None:
        """End the lease of the process that has accepted a request, and store its status message.

        If that couldn't be shown, a messenger does it. It also has if the lease was lost.
        """
        own = (requests.c.key == key, requests.c.lease_owner == ACCEPTING)
        ended = {"lease_owner": None, "lease_until": None, "status_message_id": message_id}
        if connection.execute(update(requests).where(*own).values(ended)).rowcount and message_id is not None:
            shown = update(messages).where(*is_message(key, Kind.ANSWER, 0), messages.c.wanted_rev == 1)
            connection.execute(shown.values(shown_rev=1, due_at=now))

    @writes
    def adopt(self, connection: Connection, request_key: str, kind: Kind, number: int, part: Part) -> None:
        """Store a part whose attempt wasn't confirmed, because somebody has pressed its button."""
        lock_batch_if_any(connection, request_key)
        row = connection.execute(select(messages).where(*is_message(request_key, kind, number))).first()
        message = to_message(row) if row is not None else None
        if message is not None and message.attempt is not None and part.ref not in message.refs:
            _store_posted(connection, message.with_part(part))

    @writes
    def release_strays(self, connection: Connection, process: str, active: Collection[str]) -> None:
        """Release the leases of this process that it has lost track of in an outage of the database."""
        stray = and_(requests.c.lease_owner.startswith(process), requests.c.lease_owner.not_in(active))
        connection.execute(update(requests).where(stray).values(lease_owner=None, lease_until=None))

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
        return read_messages(connection, [request_key])[request_key]

    @reads
    def pending(self, connection: Connection) -> int:
        """Return the number of pending messages, apart from status messages."""
        query = select(func.count()).where(is_pending, messages.c.kind != Kind.ANSWER)
        return connection.scalar(query) or 0

    @writes
    def redeliver(self, connection: Connection, key: str, origin: Origin, due_at: datetime) -> bool:
        """Have a batch's offered results posted in the channel of `origin`; return False if there are none.

        The server's rules decide again whether the results are spoilers. Earlier messages with parts of the
        results are deleted later, and so is the status message that mentioned `/runs`.
        """
        batch = lock_batch_if_any(connection, key)
        found = read_messages(connection, [batch[0].request_key])[batch[0].request_key] if batch else {}
        offered = [each for each in found.values() if each.offered and _is_left(each, batch)]
        for message in offered:
            moved = {"stale": _replaced(message, batch[0]), "posted": [], "channel_id": origin.channel_id}
            want(connection, message.request_key, message.kind, message.number, due_at, {**FRESH, **moved})
        if not offered:
            return False
        rules = read_rules(connection, origin.guild_id)
        spoiler = is_spoiler(rules, age_restricted=origin.age_restricted)
        columns = _destination_columns(origin, private=batch[0].private)
        own = update(requests).where(requests.c.key == batch[0].request_key)
        connection.execute(own.values(**columns, spoiler=spoiler))
        return True

    @writes
    def confirm_placeholder(
        self, connection: Connection, key: str, message_id: int | None, now: datetime
    ) -> None:
        """Have the posted placeholder `message_id` edited into the redelivered result."""
        for run in lock_batch_if_any(connection, key)[:1]:
            placed = update(requests).where(requests.c.key == run.request_key)
            connection.execute(placed.values(status_message_id=message_id))
            own = (messages.c.request_key == run.request_key, messages.c.kind.in_(OUTCOMES), is_pending)
            connection.execute(update(messages).where(*own).values(due_at=now))


def _is_of(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return is_message(claim.message.request_key, claim.message.kind, claim.message.number)


def _hold(connection: Connection, claim: Claim, **values: object) -> bool:
    """Lock the request of a claim, with these values; return False if the lease was lost."""
    own = (requests.c.key == claim.message.request_key, requests.c.lease_owner == claim.lease)
    held = update(requests).where(*own).values(values or {"lease_owner": claim.lease})
    return connection.execute(held).rowcount == 1


def _store_posted(connection: Connection, message: Message) -> None:
    stored = {"posted": [asdict(part) for part in message.posted], "stale": message.stale, "attempt": None}
    own = is_message(message.request_key, message.kind, message.number)
    connection.execute(update(messages).where(*own).values(stored))


def _due(
    connection: Connection,
    now: datetime,
    full: Collection[int],
    busy: Collection[str],
    *,
    lock: bool = False,
) -> Row[Any] | None:
    """Return the key of the message that is due first."""
    values = {"now": now, "full": list(full), "busy": list(busy)}
    found = (connection.execute(query, values).first() for query in (_DUE_LOCKED if lock else _DUE))
    return next((row for row in found if row is not None), None)


def _first_due(is_due: ColumnElement[bool], *order: ColumnElement[Any]) -> Select[Any]:
    full = messages.c.channel_id.in_(bindparam("full", expanding=True))
    return (
        select(messages.c.request_key, messages.c.kind, messages.c.number)
        .join(requests, requests.c.key == messages.c.request_key)
        .where(is_due, _IS_FREE, or_(messages.c.channel_id.is_(None), ~full))
        .where(messages.c.request_key.not_in(bindparam("busy", expanding=True)))
        .order_by(*order)
        .limit(1)
    )


_LAST = case((messages.c.kind == Kind.ANSWER, 1), else_=0)
_IS_DUE, _IS_ENDING = and_(is_pending, messages.c.due_at <= _NOW), messages.c.farewell_at <= _NOW
# What is out of date, and then the answers that are soon out of reach.
# Built once, because SQLAlchemy caches a statement's SQL, but not the work of building it.
_DUE = (_first_due(_IS_DUE, _LAST, messages.c.due_at), _first_due(_IS_ENDING, messages.c.farewell_at))
_DUE_LOCKED = [query.with_for_update(skip_locked=True, of=requests) for query in _DUE]


def _lease_end(is_due: ColumnElement[bool]) -> ScalarSelect[Any]:
    """Select when the first lease ends that keeps a message from being claimed."""
    held = (requests.c.key == messages.c.request_key, requests.c.lease_until > _NOW)
    return select(func.min(requests.c.lease_until)).where(is_due, *held).scalar_subquery()


# When messages are due that aren't yet, and when leases on others end.
NEXT_DUE = select(
    select(func.min(messages.c.due_at)).where(is_pending, messages.c.due_at > _NOW).scalar_subquery(),
    select(func.min(messages.c.farewell_at)).where(messages.c.farewell_at > _NOW).scalar_subquery(),
    _lease_end(_IS_DUE),
    _lease_end(_IS_ENDING),
)


def _is_left(message: Message, batch: Collection[Run]) -> bool:
    """Return whether an outcome has a result that wasn't deleted."""
    of_all = message.kind is Kind.OUTCOME
    return any(run.deleted_at is None and (of_all or run.index == message.number) for run in batch)


def _replaced(message: Message, first: Run) -> list[MessageRef]:
    """Return the Discord messages that a new post of a result replaces.

    Messages that only an interaction can reach are left out, because the bot can't delete them.
    """
    sent = [*message.stale, *message.refs]
    if first.needs_interaction:
        return [ref for ref in sent if ref.channel_id != first.channel_id]
    if first.status_message_id is not None:
        sent.append(MessageRef(first.channel_id, first.status_message_id))
    return list(dict.fromkeys(sent))


def _destination_columns(origin: Origin, *, private: bool) -> dict[str, object]:
    """Return the columns that move an offered result to another channel.

    The channel of a user install can't be read later, so its mark is stored.

    The server's id stays the same, because that server's budget paid for the result, and its moderators are
    responsible for it. The token of the `/runs` interaction is stored only if nothing else can show the
    result in the channel. This is the case for a private result and for a user install.
    """
    by_interaction = origin.user_install or private
    marked = {"channel_age_restricted": True} if origin.user_install and origin.age_restricted else {}
    token, expires = origin.interaction_token, origin.interaction_expires_at
    return {
        "channel_id": origin.channel_id,
        "upload_limit": origin.upload_limit,
        "user_install": origin.user_install,
        "interaction_token": token if by_interaction else None,
        "interaction_expires_at": expires if by_interaction else None,
        "status_message_id": None,
        **marked,
    }
