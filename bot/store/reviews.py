"""Store decisions about runs, such as an approval, each in one transaction with its audit entry."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.commits import repeat_if_unknown
from bot.database.engine import Database
from bot.database.row_locks import lock_batch, lock_run
from bot.database.tables import audit, create_delivery, create_or_reopen_delivery, deliveries, runs
from bot.domain.access import OperatorRules
from bot.domain.budgets import limits_of
from bot.domain.errors import RefusedError, RefusedForNow
from bot.domain.moderation.audit import AuditAction
from bot.domain.moderation.reviews import (
    check_open_report,
    check_shown,
    check_undecided,
    has_decided,
    has_open_report,
    opens_card,
)
from bot.domain.requests import ChannelState, Member
from bot.domain.results.deliveries import DeliveryState, MessageRef, Purpose
from bot.domain.runs import Run, RunState
from bot.domain.transitions import Change, end
from bot.store.audit import add_entries, run_entry
from bot.store.outcomes import apply_change
from bot.store.requests.judging import judge_run, refuse
from bot.store.rules import read_rules


class ReviewStore:
    """Decisions about runs. An approval or a rejection also creates a delivery that updates the review card,
    in case the answer to the moderator's interaction is lost.

    Every method raises StoreUnavailable if the database doesn't answer. Changes raise RunGone for an unknown
    run, and RefusedError if nothing is left to decide.
    """

    def __init__(self, database: Database, operator: OperatorRules) -> None:
        self._database = database
        self._operator = operator

    @repeat_if_unknown
    async def approve(
        self,
        key: str,
        moderator_id: int,
        now: datetime,
        *,
        person: Member | None = None,
        channel: ChannelState | None = None,
    ) -> RefusedError | None:
        """Let a batch start, unless a rule forbids that now. Return the rule's refusal, or None if it starts.

        `person` and `channel` are the requester and the channel as they are now, or None if Discord wasn't
        asked. After a RefusedForNow nothing has changed; after any other refusal the batch has ended. If
        another moderator has already decided, the RefusedError that is raised names them. A moderator may
        repeat a decision without an error, because the first reply may have been lost.
        """
        async with self._database.write() as connection:
            batch = await lock_batch(connection, key)
            if has_decided(batch[0], moderator_id, rejected=False):
                return None
            check_undecided(moderator_id, *batch)
            _, refused = await judge_run(
                connection, batch[0].key, self._operator, now, person=person, channel=channel
            )
            if isinstance(refused, RefusedForNow):
                return refused
            if refused is not None:
                for run in batch:
                    await refuse(connection, run, refused, now)
                return refused
            values = {"due_at": now, "decided_by": moderator_id, "decided_at": now}
            change = Change(RunState.WAITING, values, visible=True)
            known = await _known_now(connection, batch[0], person)
            for run in batch:
                await apply_change(connection, run, change, now, **known)
                await add_entries(connection, run_entry(run, AuditAction.APPROVE, moderator_id, now))
            await create_delivery(connection, batch[0].key, Purpose.CARD, now, now)
            return None

    @repeat_if_unknown
    async def reject(self, key: str, moderator_id: int, reason: str, now: datetime) -> None:
        """Reject a batch. The requester gets the reason in a direct message."""
        async with self._database.write() as connection:
            batch = await lock_batch(connection, key)
            if has_decided(batch[0], moderator_id, rejected=True):
                return
            check_undecided(moderator_id, *batch)
            details = {"reason": reason} if reason else {}
            for run in batch:
                change = end(run, RunState.REJECTED, now, "rejected", {"reason": reason})
                if change is None:
                    raise RefusedError("review_over")
                await apply_change(connection, run, change, now, decided_by=moderator_id, decided_at=now)
                entry = run_entry(run, AuditAction.REJECT, moderator_id, now, **details)
                await add_entries(connection, entry)
            await create_delivery(connection, batch[0].key, Purpose.NOTICE, now, now)

    @repeat_if_unknown
    async def delete(self, key: str, user_id: int, now: datetime, *, may_be_stored: bool = False) -> None:
        """Mark a run's result as deleted, and create the delivery that removes it from Discord.

        The run's audit entries stay.
        """
        async with self._database.write() as connection:
            run = await lock_run(connection, key)
            marked = await connection.execute(
                update(runs).where(runs.c.key == key, runs.c.deleted_at.is_(None)).values(deleted_at=now)
            )
            if marked.rowcount != 1:
                if may_be_stored:
                    return
                raise RefusedError("already_deleted")
            await create_or_reopen_delivery(connection, key, Purpose.REMOVAL, now)
            await add_entries(connection, run_entry(run, AuditAction.DELETE, user_id, now))

    @repeat_if_unknown
    async def discard(
        self, key: str, user_id: int, now: datetime, *, remove: bool, may_be_stored: bool = False
    ) -> None:
        """Record that a message without a result was deleted.

        With `remove`, also create the delivery that deletes the whole outcome. The runs stay as they are, so
        a late success is still posted.
        """
        async with self._database.write() as connection:
            run = (await lock_batch(connection, key))[0]
            stored = _count_entries(run, AuditAction.DISCARD, user_id).where(audit.c.at == now)
            if may_be_stored and await connection.scalar(stored):
                return
            if remove:
                await create_or_reopen_delivery(connection, run.key, Purpose.REMOVAL, now)
            await add_entries(connection, run_entry(run, AuditAction.DISCARD, user_id, now))

    @repeat_if_unknown
    async def delete_all(self, key: str, user_id: int, now: datetime, *, may_be_stored: bool = False) -> None:
        """Delete all results of a batch that haven't been deleted yet, as `delete` does."""
        async with self._database.write() as connection:
            batch = await lock_batch(connection, key)
            shown = [run for run in batch if run.is_shown]
            if may_be_stored and any(run.deleted_at == now for run in batch):
                return
            check_shown(*batch)
            keys = [run.key for run in shown]
            await connection.execute(update(runs).where(runs.c.key.in_(keys)).values(deleted_at=now))
            for run in shown:
                await create_or_reopen_delivery(connection, run.key, Purpose.REMOVAL, now)
                await add_entries(connection, run_entry(run, AuditAction.DELETE, user_id, now))

    @repeat_if_unknown
    async def report(self, key: str, user_id: int, channel_id: int, now: datetime) -> bool:
        """Record a report, and create a card for moderators unless the run has an open one.

        Returns whether the run has an open report now.
        """
        async with self._database.write() as connection:
            run = await lock_run(connection, key)
            is_first = not await connection.scalar(_count_entries(run, AuditAction.REPORT, user_id))
            if is_first:
                await add_entries(connection, run_entry(run, AuditAction.REPORT, user_id, now))
            created = opens_card(run, is_first=is_first)
            if created:
                await connection.execute(
                    update(runs).where(runs.c.key == key).values(report_channel_id=channel_id)
                )
                await create_or_reopen_delivery(connection, key, Purpose.REPORT, now)
            return created or has_open_report(run)

    @repeat_if_unknown
    async def dismiss(
        self, key: str, moderator_id: int, now: datetime, *, may_be_stored: bool = False
    ) -> None:
        """Close the open report of a run without action. A report by another user creates a new card."""
        async with self._database.write() as connection:
            run = await lock_run(connection, key)
            entries = _count_entries(run, AuditAction.DISMISS, moderator_id).where(audit.c.at == now)
            if may_be_stored and await connection.scalar(entries):
                return
            check_open_report(run)
            await connection.execute(update(runs).where(runs.c.key == key).values(report_channel_id=None))
            await add_entries(connection, run_entry(run, AuditAction.DISMISS, moderator_id, now))

    @repeat_if_unknown
    async def record_opening(
        self, key: str, moderator_id: int, now: datetime, *, may_be_stored: bool = False
    ) -> None:
        """Record that a moderator opened a private result."""
        async with self._database.write() as connection:
            run = await lock_run(connection, key)
            mine = _count_entries(run, AuditAction.OPEN_PRIVATE, moderator_id).where(audit.c.at == now)
            if not (may_be_stored and await connection.scalar(mine)):
                await add_entries(connection, run_entry(run, AuditAction.OPEN_PRIVATE, moderator_id, now))

    async def dismissals(self, run: Run) -> int:
        """Return how many times a report card of a run was dismissed."""
        async with self._database.read() as connection:
            found: int | None = await connection.scalar(_count_entries(run, AuditAction.DISMISS))
            return found or 0

    async def actors(self, run: Run, action: AuditAction) -> list[int]:
        """Return the users who took an action on a run, each once, oldest first.

        Users who only deleted a copy of its result don't count, and those whose audit entries have been
        deleted are missing.
        """
        query = select(audit.c.actor_id, audit.c.details).where(
            audit.c.guild_id == run.guild_id,
            audit.c.subject_id == run.requester_id,
            audit.c.run_key == run.key,
            audit.c.action == action,
        )
        async with self._database.read() as connection:
            found = await connection.execute(query.order_by(audit.c.id))
            return list(dict.fromkeys(row.actor_id for row in found if not row.details.get("copy")))

    async def card(self, key: str) -> MessageRef | None:
        """Return the run's review card, or None if it hasn't been posted."""
        async with self._database.read() as connection:
            found: tuple[MessageRef, ...] | None = await connection.scalar(
                select(deliveries.c.messages).where(
                    deliveries.c.run_key == key,
                    deliveries.c.purpose == Purpose.REVIEW,
                    deliveries.c.state == DeliveryState.SENT,
                )
            )
            return found[0] if found else None


def _count_entries(run: Run, action: AuditAction, actor_id: int | None = None) -> Select[Any]:
    """Select the number of audit entries about a run, by one person or by anybody."""
    query = (
        select(func.count())
        .select_from(audit)
        .where(
            audit.c.guild_id == run.guild_id,
            audit.c.subject_id == run.requester_id,
            audit.c.run_key == run.key,
            audit.c.action == action,
        )
    )
    return query.where(audit.c.actor_id == actor_id) if actor_id is not None else query


async def _known_now(connection: AsyncConnection, run: Run, person: Member | None) -> dict[str, object]:
    """Return the columns that depend on the requester's current roles, or none if `person` is None."""
    if person is None:
        return {}
    limits = limits_of(person, await read_rules(connection, run.guild_id))
    return {
        "requester_roles": sorted(person.role_ids),
        "user_limit": limits.at_once,
        "server_limit": limits.server_at_once,
    }
