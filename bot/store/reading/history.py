"""Read runs: a user's by page, a server's queue, and all of them for an export."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, case, exists, func, or_, select

from bot.database.engine import Repository, reads
from bot.database.rows import (
    earlier,
    messages_of,
    read_batches,
    read_messages,
    read_runs,
    select_runs,
    to_run,
)
from bot.database.tables import is_any, messages, requests, runs
from bot.domain.messages import COPIES, Messages, Purpose, result_ref, result_refs
from bot.domain.requests import RunFilter, RunListEntry
from bot.domain.runs import IN_FLIGHT, Deletions, Run, RunState
from bot.domain.text import message_url

S = RunState
_EXPORT_CHUNK_SIZE = 500
_WAITING = frozenset({S.AWAITING_APPROVAL, S.WAITING})
_ACTIVE = _WAITING | IN_FLIGHT
_STATES = {
    RunFilter.WAITING: _WAITING,
    RunFilter.RUNNING: IN_FLIGHT,
    RunFilter.DONE: frozenset({S.SUCCEEDED}),
    RunFilter.FAILED: frozenset({S.FAILED, S.TIMED_OUT, S.REFUSED, S.UNCONFIRMED}),
    RunFilter.ENDED: frozenset({S.CANCELLED, S.REJECTED, S.EXPIRED}),
}


class HistoryStore(Repository):
    """Reads lists of runs; only the export has their outputs."""

    @reads
    def page(
        self,
        connection: Connection,
        requester_id: int,
        run_filter: RunFilter = RunFilter.ALL,
        *,
        limit: int,
        offset: int = 0,
    ) -> Sequence[RunListEntry]:
        keys = connection.execute(own_runs(requester_id, run_filter, limit, offset)).scalars().all()
        batches = read_batches(connection, keys, listed=True)
        shown = read_messages(connection, batches.keys())
        return [_entry(batch, shown[key]) for key, batch in batches.items()]

    @reads
    def server_queue(
        self, connection: Connection, guild_id: int, *, limit: int, offset: int = 0
    ) -> Sequence[Sequence[Run]]:
        """Return a server's active requests: those in flight, then the queue, then those in review."""
        keys = connection.execute(open_on_server(guild_id, limit, offset)).scalars().all()
        return [*read_batches(connection, keys, listed=True).values()]

    async def export(
        self, requester_id: int | None = None, chunk_size: int = _EXPORT_CHUNK_SIZE
    ) -> AsyncIterator[Run]:
        """Yield all runs, or those of a user, newest first, with outputs, so that no writer waits."""
        last: Run | None = None
        while found := await self._chunk(requester_id, last, chunk_size):
            for last in found:
                yield last

    @reads
    def _chunk(
        self, connection: Connection, requester_id: int | None, last: Run | None, limit: int
    ) -> list[Run]:
        at = requests.c.created_at
        query = select_runs()
        if requester_id is not None:
            query = query.where(requests.c.requester_id == requester_id)
        if last is not None:
            query = query.where(earlier(at, last.created_at, runs.c.key > last.key))
        found = connection.execute(query.order_by(at.desc(), runs.c.key).limit(limit))
        return [to_run(row) for row in found]

    @reads
    def request_of(self, connection: Connection, key: str) -> tuple[Messages, int | None, int | None] | None:
        """Return the messages of a run's request, and the ids of its answer and interaction, or None."""
        own = requests.c.key == select(runs.c.request_key).where(runs.c.key == key).scalar_subquery()
        query = select(requests.c.key, requests.c.status_message_id, requests.c.interaction_id).where(own)
        row = connection.execute(query).first()
        if row is None:
            return None
        found = messages_of(connection, row.key)
        return found, row.status_message_id, row.interaction_id

    @reads
    def parent_link(self, connection: Connection, run: Run) -> str | None:
        """Return a link to the result that a run was made from, if the channel of its request shows it."""
        parent = next(iter(read_runs(connection, [run.parent_key or ""])), None)
        if parent is None or parent.guild_id != run.guild_id or not parent.is_shown:
            return None
        # Only its recipient can open a direct message.
        refs = result_refs(messages_of(connection, parent.request_key), parent.index)
        shown = [ref for ref in refs if ref.channel_id == parent.channel_id]
        return message_url(parent.guild_id, *shown[0]) if shown else None


def own_runs(requester_id: int, run_filter: RunFilter, limit: int, offset: int = 0) -> Select[Any]:
    """Select the keys of a user's requests, newest first. A request matches if any of its runs does."""
    query = select(requests.c.key).where(requests.c.requester_id == requester_id)
    if run_filter is RunFilter.UNDELIVERED:
        query = query.where(exists().where(messages.c.request_key == requests.c.key, messages.c.offered))
    elif run_filter is not RunFilter.ALL:
        state = is_any(runs.c.state, _STATES[run_filter])
        made = or_(state, runs.c.partial) if run_filter is RunFilter.DONE else state
        query = query.where(exists().where(runs.c.request_key == requests.c.key, made))
    return query.order_by(requests.c.created_at.desc(), requests.c.key).limit(limit).offset(offset)


def open_on_server(guild_id: int, limit: int, offset: int) -> Select[Any]:
    """Select the keys of a page of a server's active requests, each at the place of its foremost run.

    An index on the state avoids reading the many ended runs.
    """
    rank = case((is_any(runs.c.state, IN_FLIGHT), 0), (runs.c.state == S.WAITING, 1), else_=2)
    line = case((runs.c.state == S.WAITING, runs.c.queue_position))
    # Tags of different deployments can't be compared, so they only order those that share a place.
    tag = case((runs.c.state == S.WAITING, runs.c.queue_tag))
    place = (rank, line.nulls_last(), tag, runs.c.created_at, runs.c.key)
    within = func.row_number().over(partition_by=runs.c.request_key, order_by=place)
    overall = func.row_number().over(order_by=place)
    is_open = (runs.c.guild_id == guild_id, is_any(runs.c.state, _ACTIVE))
    found = (
        select(runs.c.request_key, within.label("within"), overall.label("overall"))
        .where(*is_open)
        .subquery()
    )
    foremost = select(found.c.request_key).where(found.c.within == 1)
    return foremost.order_by(found.c.overall).limit(limit).offset(offset)


def _entry(batch: Sequence[Run], found: Messages) -> RunListEntry:
    shown = [run for run in batch if run.is_shown]
    outcome = found.get((Purpose.OUTCOME, 0))
    late = (found.get((Purpose.LATE, run.index)) for run in batch)
    is_left = any(run.deleted_at is None for run in batch)
    removed = any(run.deleted_at is not None for run in batch)
    removed = not shown and (removed or (outcome is not None and outcome.deleted_by is not None))
    refs = filter(None, (result_ref(found, run.index) for run in shown))
    of_failure = outcome.refs if outcome is not None and not removed else []
    message = next(iter(refs if shown else of_failure), None)
    copies = (found.get((purpose, run.index)) for run in shown for purpose in COPIES)
    deletions = Deletions(
        outcome=removed,
        partly=bool(shown) and any(run.has_result and not run.is_shown for run in batch),
        by_moderator=any(run.deleted_by not in (None, run.requester_id) for run in batch),
        copy_by_moderator=any(
            copy is not None and copy.deleted_by not in (None, batch[0].requester_id) for copy in copies
        ),
    )
    offered = is_left and any(each is not None and each.offered for each in (outcome, *late))
    return RunListEntry(batch, undelivered=offered, message=message, deletions=deletions)
