"""Read a user's runs by page, and a server's queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, case, exists, func, or_, select

from bot.database.engine import Database, reads
from bot.database.keyset import earlier, later
from bot.database.rows import WITH_REQUEST, select_listed_runs, to_listed_run
from bot.database.tables import deliveries, requests, runs
from bot.domain.pages import HistoryPage, RunCursor, RunFilter, RunListEntry
from bot.domain.results.deliveries import COPY_PURPOSES, OUTCOME_PURPOSES, DeliveryState, MessageRef, Purpose
from bot.domain.results.sharing import outcome_stands
from bot.domain.runs import IN_FLIGHT, Deletions, Run, RunState
from bot.domain.text import message_url
from bot.store.deliveries import DESTINATION

S = RunState
_member = runs.alias("member")
_WAITING = frozenset({S.AWAITING_APPROVAL, S.WAITING})
_ACTIVE = _WAITING | IN_FLIGHT
_SHOWING = OUTCOME_PURPOSES | COPY_PURPOSES | {Purpose.REMOVAL}
_STATES = {
    RunFilter.WAITING: _WAITING,
    RunFilter.RUNNING: IN_FLIGHT,
    RunFilter.DONE: frozenset({S.SUCCEEDED}),
    RunFilter.FAILED: frozenset({S.FAILED, S.TIMED_OUT, S.REFUSED, S.UNCONFIRMED}),
    RunFilter.ENDED: frozenset({S.CANCELLED, S.REJECTED, S.EXPIRED}),
}
_MESSAGES = (
    select(
        func.coalesce(requests.c.status_message_id, 0).label("status_message_id"),
        func.coalesce(requests.c.interaction_id, 0).label("interaction_id"),
        deliveries.c.purpose,
        deliveries.c.messages,
        deliveries.c.earlier_messages,
        and_(deliveries.c.state == DeliveryState.PENDING, deliveries.c.attempted).label("is_begun"),
        DESTINATION.label("destination"),
    )
    .select_from(WITH_REQUEST.outerjoin(deliveries, deliveries.c.run_key == runs.c.key))
    .where(runs.c.request_key == _member.c.request_key, _member.c.key == bindparam("key"))
)


class HistoryStore:
    """Reads lists of runs, without their outputs.

    Every method raises StoreUnavailable if the database doesn't answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    def page(
        self,
        connection: Connection,
        requester_id: int,
        *,
        limit: int,
        run_filter: RunFilter = RunFilter.ALL,
        before: RunCursor | None = None,
    ) -> HistoryPage:
        """Return the newest batches, or those older than `before`."""
        return _page(connection, requester_id, limit, run_filter, before)

    @reads
    def page_after(
        self,
        connection: Connection,
        requester_id: int,
        *,
        limit: int,
        run_filter: RunFilter,
        after: RunCursor,
    ) -> HistoryPage:
        """Return the batches just newer than `after`, or the newest page if they don't fill one."""
        newer = later(requests.c.created_at, after.at, runs.c.key < after.key)
        query = _matching(requester_id, run_filter).where(newer)
        found = connection.execute(query.order_by(requests.c.created_at, runs.c.key.desc()).limit(limit + 1))
        rising = [to_listed_run(row) for row in found.mappings()]
        if len(rising) > limit:
            listed = rising[:limit][::-1]
            entries = _entries(connection, listed)
            return HistoryPage(entries, _cursor(listed[-1]), _cursor(listed[0]))
        return _page(connection, requester_id, limit, run_filter)

    @reads
    def server_queue(
        self, connection: Connection, guild_id: int, *, limit: int, offset: int = 0
    ) -> Sequence[Run]:
        """Return a server's active runs: those in flight, then the queue, then those in review."""
        found = connection.execute(open_on_server(guild_id, limit, offset))
        return [to_listed_run(row) for row in found.mappings()]

    @reads
    def deletions(self, connection: Connection, run: Run) -> Deletions:
        """Return what was deleted of one run."""
        rows = (connection.execute(_sent().where(runs.c.key == run.key))).all()
        return _entry([run], rows).deletions

    @reads
    def result_messages(self, connection: Connection, run: Run) -> Sequence[MessageRef]:
        """Return the messages that show the result of a run, perhaps with other results of its batch."""
        return _result_messages(connection, run)

    @reads
    def message_purposes(
        self, connection: Connection, key: str, message: MessageRef, interaction_id: int | None
    ) -> frozenset[Purpose] | None:
        """Return what a message was sent for if it belongs to a run's batch, otherwise an empty set.

        A status message counts as an outcome, which it becomes. `interaction_id` is the interaction that the
        message answers, since the id of a status message is stored only after users see it. While an attempt
        to post is unfinished, any unknown message in its channel may be from it. Returns None if there is no
        such run.
        """
        rows = connection.execute(_MESSAGES, {"key": key}).all()
        if not rows:
            return None
        if any(
            row.status_message_id == message.message_id or row.interaction_id == interaction_id
            for row in rows
        ):
            return frozenset({Purpose.OUTCOME})
        sent = [row for row in rows if row.purpose is not None]
        known = [row for row in sent if _has(message.message_id, *row.messages, *row.earlier_messages)]
        begun = [row for row in sent if row.is_begun and row.destination == message.channel_id]
        return frozenset(Purpose(row.purpose) for row in known or begun)

    @reads
    def parent_link(self, connection: Connection, run: Run) -> str | None:
        """Return a link to the result that a run was made from.

        Returns None if there is no such result, or if it isn't shown in the channel of its request.
        """
        if run.parent_key is None:
            return None
        query = select_listed_runs().where(runs.c.key == run.parent_key)
        row = connection.execute(query).mappings().first()
        parent = to_listed_run(row) if row is not None else None
        if parent is None or parent.guild_id != run.guild_id or not parent.is_shown:
            return None
        # Only its recipient can open a direct message.
        messages = _result_messages(connection, parent)
        shown = [each for each in messages if each.channel_id == parent.channel_id]
        return message_url(parent.guild_id, *shown[0]) if shown else None


def _page(
    connection: Connection,
    requester_id: int,
    limit: int,
    run_filter: RunFilter,
    before: RunCursor | None = None,
) -> HistoryPage:
    query = own_runs(requester_id, run_filter, limit + 1, before)
    found = [to_listed_run(row) for row in connection.execute(query).mappings()]
    listed = found[:limit]
    older = _cursor(listed[-1]) if len(found) > limit else None
    newer = _cursor(listed[0]) if listed and before is not None else before
    return HistoryPage(_entries(connection, listed), older, newer)


def _result_messages(connection: Connection, run: Run) -> Sequence[MessageRef]:
    late = and_(deliveries.c.run_key == run.key, deliveries.c.purpose == Purpose.LATE)
    outcome = and_(deliveries.c.run_key == run.request_key, deliveries.c.purpose == Purpose.OUTCOME)
    query = select(deliveries.c.messages, deliveries.c.earlier_messages).where(or_(late, outcome))
    # The newest first: a late success has its own message, whatever the outcome of its batch shows.
    found = connection.execute(query.order_by(deliveries.c.id.desc()))
    lists = [row.messages or row.earlier_messages or () for row in found]
    return list(next(filter(None, lists), ()))


def _has(message_id: int, *messages: MessageRef) -> bool:
    return any(each.message_id == message_id for each in messages)


def own_runs(
    requester_id: int, run_filter: RunFilter, limit: int, before: RunCursor | None = None
) -> Select[Any]:
    """Select a page of a user's batches, newest first, using the index `runs_requester`."""
    query = _matching(requester_id, run_filter)
    if before is not None:
        query = query.where(earlier(requests.c.created_at, before.at, runs.c.key > before.key))
    return query.order_by(requests.c.created_at.desc(), runs.c.key).limit(limit)


def open_on_server(guild_id: int, limit: int, offset: int) -> Select[Any]:
    """Select a page of a server's active runs. An index on the state avoids reading the many ended runs."""
    rank = case((runs.c.state.in_(IN_FLIGHT), 0), (runs.c.state == S.WAITING, 1), else_=2)
    line = case((runs.c.state == S.WAITING, runs.c.queue_position))
    # Tags of different deployments can't be compared, so they only order those that share a place.
    tag = case((runs.c.state == S.WAITING, runs.c.queue_tag))
    return (
        select_listed_runs()
        .where(runs.c.guild_id == guild_id, runs.c.state.in_(_ACTIVE))
        .order_by(rank, line.nulls_last(), tag, runs.c.created_at, runs.c.key)
        .limit(limit)
        .offset(offset)
    )


def _matching(requester_id: int, run_filter: RunFilter) -> Select[Any]:
    """Select the first run of each batch that matches; a batch matches if any of its runs does."""
    query = select_listed_runs().where(requests.c.requester_id == requester_id, runs.c.index == 0)
    if run_filter is RunFilter.ALL:
        return query
    member = _member.c.request_key == runs.c.key
    if run_filter is not RunFilter.UNDELIVERED:
        state = _member.c.state.in_(_STATES[run_filter])
        made = or_(state, _member.c.partial) if run_filter is RunFilter.DONE else state
        return query.where(exists().where(member, made))
    return query.where(
        exists().where(
            member,
            deliveries.c.run_key == _member.c.key,
            deliveries.c.purpose.in_(OUTCOME_PURPOSES),
            deliveries.c.state == DeliveryState.UNDELIVERED,
        )
    )


def _cursor(run: Run) -> RunCursor:
    return RunCursor(run.created_at, run.key)


def _entries(connection: Connection, listed: Sequence[Run]) -> Sequence[RunListEntry]:
    keys = [run.key for run in listed]
    found = connection.execute(select_listed_runs().where(runs.c.request_key.in_(keys)).order_by(runs.c.key))
    batches: dict[str, list[Run]] = {key: [] for key in keys}
    for run in map(to_listed_run, found.mappings()):
        batches[run.request_key].append(run)
    rows: dict[str, list[Row[Any]]] = {key: [] for key in keys}
    for row in connection.execute(_sent().where(runs.c.request_key.in_(keys))):
        rows[row.request_key].append(row)
    return [_entry(batches[key], rows[key]) for key in keys]


def _sent() -> Select[Any]:
    """Select the deliveries of runs that show a result or remove one, oldest first."""
    columns = (deliveries.c.run_key, deliveries.c.purpose, deliveries.c.state, deliveries.c.messages)
    return (
        select(runs.c.request_key, *columns, deliveries.c.deleted_by)
        .join(runs, runs.c.key == deliveries.c.run_key)
        .where(deliveries.c.purpose.in_(_SHOWING))
        .order_by(deliveries.c.id)
    )


def _entry(batch: Sequence[Run], rows: Sequence[Row[Any]]) -> RunListEntry:
    outcomes = [row for row in rows if row.purpose in OUTCOME_PURPOSES]
    # A late success replaces the verdict on a single run, and leaves the message of a larger batch as it is.
    outcomes = outcomes[-1:] if len(batch) == 1 else outcomes
    is_left = any(run.deleted_at is None for run in batch)
    undelivered = is_left and any(row.state == DeliveryState.UNDELIVERED for row in outcomes)
    removed = not is_left or any(row.purpose == Purpose.REMOVAL for row in rows)
    shown = {run.key for run in batch if run.is_shown}
    late = {row.run_key for row in outcomes if row.purpose == Purpose.LATE}
    if not outcome_stands(shown, late, removed=removed):
        outcomes = [row for row in outcomes if row.run_key in shown & late]
    message = outcomes[0].messages[0] if outcomes and outcomes[0].messages else None
    deletions = Deletions(
        outcome=removed and not shown,
        partly=bool(shown) and any(run.has_result and run.key not in shown for run in batch),
        by_moderator=any(run.deleted_by not in (None, run.requester_id) for run in batch),
        copy_by_moderator=any(_is_moderated_copy(batch[0], row) for row in rows if row.run_key in shown),
    )
    return RunListEntry(batch, undelivered=undelivered, message=message, deletions=deletions)


def _is_moderated_copy(run: Run, row: Row[Any]) -> bool:
    return row.deleted_by is not None and row.deleted_by != run.requester_id
