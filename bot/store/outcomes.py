"""Apply a change to a run, and create the outcome's delivery when the batch's last run ends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    Update,
    and_,
    bindparam,
    exists,
    select,
    update,
)

from bot.database.rows import RESET, create_delivery, nothing_posted
from bot.database.tables import audit, deliveries, requests, runs
from bot.domain.moderation.audit import PARTIAL, AuditAction, recorded_outcome
from bot.domain.queue.fair_queue import NO_TURN, gives_turn_back
from bot.domain.results.deliveries import DeliveryState, Purpose
from bot.domain.runs import FINAL, Run, RunState
from bot.domain.transitions import Change
from bot.store.audit import add_entries, run_entry
from bot.store.ledger import post

# Whether another run of the request is still active.
_GOES_ON = select(
    exists().where(
        runs.c.request_key == bindparam("batch"),
        runs.c.key != bindparam("except"),
        runs.c.state.not_in(FINAL),
    )
)


def apply_change(connection: Connection, run: Run, change: Change, now: datetime, **more: object) -> None:
    """Write a change to a run that `bot.database.row_locks` has locked, with `more` columns.

    If the change ends the run, this also writes the audit entry and creates the deliveries that follow. What
    the change makes of the run's cost is posted to the ledger, so several runs are changed in the order of
    `ledger.by_day`.
    """
    values = _columns(run, change) | more
    if not _write(connection, run, values, visible=change.visible):
        return
    if change.ends_run:
        _create_deliveries(connection, run, change, now)
    post(connection, run, values)


def _create_deliveries(connection: Connection, run: Run, change: Change, now: datetime) -> None:
    if change.state is not run.state:
        _record_outcome(connection, run, change, now)
    elif change.values.get("partial"):
        _correct_outcome(connection, run)
    if run.is_first_in_batch and run.state is RunState.AWAITING_APPROVAL:
        _release_card(connection, run.key, now)
        # A moderator's press changes the card, too, but the answer to the press may be lost.
        create_delivery(connection, run.key, Purpose.CARD, now, now)
    if run.final:
        _deliver_late(connection, run, now)
    elif not connection.scalar(_GOES_ON, {"batch": run.request_key, "except": run.key}):
        create_delivery(connection, run.request_key, Purpose.OUTCOME, now, now)


def _columns(run: Run, change: Change) -> dict[str, object]:
    columns: dict[str, object] = {**change.values, "state": change.state}
    if change.state is not run.state and gives_turn_back(run.state, change.state):
        columns["queue_tag"] = NO_TURN
    return columns


def _write(connection: Connection, run: Run, values: Mapping[str, object], *, visible: bool) -> bool:
    """Write columns of the run and its request; return whether the run had its old state."""
    own = {name: value for name, value in values.items() if name in runs.c}
    which = {"of_key": run.key, "old_state": run.state}
    if connection.execute(_update_run(frozenset(own)), {**which, **_as_new(own)}).rowcount != 1:
        return False
    of_request = {name: value for name, value in values.items() if name not in runs.c}
    if visible or of_request:
        statement = _update_request(frozenset(of_request), visible=visible)
        connection.execute(statement, {"of_key": run.request_key, **_as_new(of_request)})
    return True


# Cached, because building a statement takes longer than executing it.
@cache
def _update_run(names: frozenset[str]) -> Update:
    """Return an update of these columns of a run, if the run is in a certain state."""
    old = (runs.c.key == bindparam("of_key"), runs.c.state == bindparam("old_state"))
    return update(runs).where(*old).values(_new(runs, names))


@cache
def _update_request(names: frozenset[str], *, visible: bool) -> Update:
    """Return an update of these columns of a request. If it is `visible`, the status message is edited."""
    values = _new(requests, names) | ({"rev": requests.c.rev + 1} if visible else {})
    return update(requests).where(requests.c.key == bindparam("of_key")).values(values)


def _new(table: Table, names: frozenset[str]) -> dict[str, Any]:
    return {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}


def _as_new(values: Mapping[str, object]) -> dict[str, object]:
    return {f"new_{name}": value for name, value in values.items()}


def _release_card(connection: Connection, key: str, now: datetime) -> None:
    """Make the unposted review card of a request that has ended due now, so that the courier drops it."""
    connection.execute(
        update(deliveries)
        .where(
            deliveries.c.run_key == key,
            deliveries.c.purpose == Purpose.REVIEW,
            deliveries.c.state == DeliveryState.PENDING,
            deliveries.c.due_at > now,
        )
        .values(due_at=now)
    )


def _deliver_late(connection: Connection, run: Run, now: datetime) -> None:
    """Create the delivery of a result that came after the run's end, unless the outcome will show it.

    If the run's earlier, partial result was deleted, the new one isn't shown, either.
    """
    if run.deleted_at is not None:
        return
    outcome = (deliveries.c.run_key == run.request_key) & (deliveries.c.purpose == Purpose.OUTCOME)
    # The courier renders the run's state at the time of the post, so an unposted verdict becomes the result.
    if connection.scalar(select(deliveries.c.id).where(outcome, nothing_posted())) is not None:
        return
    if run.count == 1:
        _close_verdict(connection, run.key, now)
    elif connection.scalar(select(deliveries.c.id).where(outcome)) is None:
        return  # other runs of the batch are still active, and the batch's outcome will show this one, too
    if not _repeat_late(connection, run.key, now):
        create_delivery(connection, run.key, Purpose.LATE, now, now)


def _repeat_late(connection: Connection, key: str, now: datetime) -> bool:
    """Deliver a late result again, replacing messages already sent; return False if it has no delivery."""
    late = (deliveries.c.run_key == key) & (deliveries.c.purpose == Purpose.LATE)
    columns = (deliveries.c.messages, deliveries.c.earlier_messages, nothing_posted().label("unposted"))
    found = (connection.execute(select(*columns).where(late))).first()
    if found is not None and not found.unposted:
        earlier = [*found.earlier_messages, *found.messages]
        repeated = {**RESET, "due_at": now, "earlier_messages": earlier}
        connection.execute(update(deliveries).where(late).values(repeated))
    return found is not None


def _close_verdict(connection: Connection, key: str, now: datetime) -> None:
    """Mark a run's unsent outcome as sent, because it would show the late success a second time."""
    connection.execute(
        update(deliveries)
        .where(
            deliveries.c.run_key == key,
            deliveries.c.purpose == Purpose.OUTCOME,
            deliveries.c.state != DeliveryState.SENT,
        )
        .values(state=DeliveryState.SENT, done_at=now, lease_owner=None, lease_until=None)
    )


def _record_outcome(connection: Connection, run: Run, change: Change, now: datetime) -> None:
    expired = change.state is RunState.EXPIRED
    action = AuditAction.EXPIRE if expired else AuditAction.OUTCOME
    details: dict[str, object] = {"private": True} if run.private else {}
    if run.private and run.count > 1:  # each result is listed by itself
        details |= {"number": run.number, "of": run.count}
    code, partial = (change.values.get(name) for name in ("failure_code", "partial"))
    outcome = recorded_outcome(change.state, failure_code=code, partial=bool(partial))
    add_entries(connection, run_entry(run, action, None, now, outcome=outcome, **details))


def _correct_outcome(connection: Connection, run: Run) -> None:
    """Update the audit entry about the end of a run whose outputs were found only after that."""
    # There is no index on the run's key, but one on the server, the requester and the time.
    indexed = (audit.c.guild_id == run.guild_id, audit.c.subject_id == run.requester_id)
    connection.execute(
        update(audit)
        .where(*indexed, audit.c.at >= run.created_at, audit.c.run_key == run.key)
        .where(audit.c.action == AuditAction.OUTCOME, audit.c.outcome == run.state)
        .values(outcome=PARTIAL)
    )


def nothing_pending() -> ColumnElement[bool]:
    """Match the requests that have ended and have no pending delivery."""
    own = runs.c.request_key == requests.c.key
    pending = deliveries.c.state == DeliveryState.PENDING
    return and_(
        ~exists().where(own, runs.c.state.not_in(FINAL)).correlate(requests),
        ~exists().where(own, deliveries.c.run_key == runs.c.key, pending).correlate(requests),
    )
