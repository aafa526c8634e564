"""Store decisions about runs, such as an approval, each in one transaction with its audit entry."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from bot.database.engine import Database, Repository, reads, writes
from bot.database.key_values import read_value
from bot.database.row_locks import lock_accepting, lock_batch, lock_run
from bot.database.rows import FRESH, about_result, bump, messages_of, set_columns, want
from bot.database.tables import audit, messages, runs
from bot.domain.errors import RefusedError, RefusedForNow
from bot.domain.messages import COPIES, Purpose
from bot.domain.moderation import AuditAction, AuditEntry, Report, check_shown, check_undecided
from bot.domain.picture_check import NOBODY_DECIDED, PictureDecision, decided, labels_of
from bot.domain.policy import Offer, OperatorRules, budget_day
from bot.domain.requests import ChannelState, Member
from bot.domain.runs import Run, RunState
from bot.domain.transitions import Change, end
from bot.store.audit import add_entries, request_entry, run_entry, to_entry
from bot.store.messages import ask_about_pictures
from bot.store.queue import join_queue
from bot.store.requests import judge_run, limits_at_once, refuse
from bot.store.rules import PAUSE_KEY, read_rules
from bot.store.runs import apply_change

# How many requests with held outputs expire at once.
_OVERDUE = 100
_SERVER = select(runs.c.guild_id).where(runs.c.key == bindparam("of"))


class ReviewStore(Repository):
    """Decisions about runs, which also bump the cards that they change.

    They raise RunGone for an unknown run, and RefusedError if nothing is left to decide.
    """

    def __init__(self, database: Database, operator: OperatorRules) -> None:
        super().__init__(database)
        self._operator = operator

    @writes
    def approve(
        self,
        connection: Connection,
        key: str,
        moderator_id: int,
        now: datetime,
        *,
        person: Member | None = None,
        channel: ChannelState | None = None,
        offer: Offer | None = None,
    ) -> RefusedError | None:
        """Charge a batch and let it start, unless a rule forbids that now; then return the rule's refusal.

        `person`, `channel` and `offer` are as in `judge_run`. After a RefusedForNow nothing has changed;
        after any other refusal the batch has ended. A moderator may repeat an approval, because the first
        reply may have been lost.
        """
        # A request that is accepted at the same time can't charge what is judged here.
        lock_accepting(connection, connection.scalar(_SERVER, {"of": key}) or 0)
        batch = lock_batch(connection, key)
        if batch[0].decided_by == moderator_id and batch[0].state is not RunState.REJECTED:
            return None
        check_undecided(moderator_id, *batch)
        judged, refused = judge_run(
            connection,
            batch[0].key,
            self._operator,
            now,
            person=person,
            channel=channel,
            offer=offer,
            paused=read_value(connection, PAUSE_KEY),
        )
        if isinstance(refused, RefusedForNow):
            return refused
        if refused is not None:
            for run in batch:
                refuse(connection, run, refused, now)
            return refused
        values = {"due_at": now, "decided_by": moderator_id, "decided_at": now}
        change = Change(RunState.WAITING, values, visible=True)
        known = {name: getattr(judged, name) for name in ("expected_gpu", "reserved_seconds", "weight")}
        known["charged_on"] = budget_day(now)
        if person is not None:
            known["requester_roles"] = sorted(person.role_ids)
            known |= limits_at_once(person, read_rules(connection, batch[0].guild_id))
        tags, _ = join_queue(connection, batch[0].deployment, batch[0].requester_id, len(batch))
        for run in batch:
            apply_change(connection, run, change, now, queue_tag=tags[run.index], **known)
        add_entries(connection, request_entry(batch, AuditAction.APPROVE, moderator_id, now))
        bump(connection, batch[0].request_key, now, messages.c.purpose == Purpose.REVIEW)
        return None

    @writes
    def reject(self, connection: Connection, key: str, moderator_id: int, reason: str, now: datetime) -> None:
        """Reject a request. A moderator may repeat that, as an approval."""
        batch = lock_batch(connection, key)
        if batch[0].decided_by == moderator_id and batch[0].state is RunState.REJECTED:
            return
        check_undecided(moderator_id, *batch)
        details = {"reason": reason} if reason else {}
        for run in batch:
            change = end(run, RunState.REJECTED, now, "rejected", {"reason": reason})
            if change is None:
                raise RefusedError("review_over")
            apply_change(connection, run, change, now, decided_by=moderator_id, decided_at=now)
        add_entries(connection, request_entry(batch, AuditAction.REJECT, moderator_id, now, **details))

    @writes
    def delete(
        self, connection: Connection, key: str, user_id: int, now: datetime, *, whole_batch: bool = False
    ) -> None:
        """Mark a run's result, or those of its batch, as deleted, and have them removed from Discord."""
        batch = lock_batch(connection, key)
        chosen = [run for run in batch if whole_batch or run.key == key]
        check_shown(*chosen)
        shown = [run for run in chosen if run.is_shown]
        marked = update(runs).where(runs.c.key.in_([run.key for run in shown]))
        connection.execute(marked.values(deleted_at=now, deleted_by=user_id, held_until=None))
        for run in shown:
            bump(connection, run.request_key, now, about_result(run))
        if any(run.held for run in shown) and any(run.held for run in batch if run not in shown):
            ask_about_pictures(connection, batch[0].request_key, now)  # without these
        about = (AuditAction.DELETE, user_id, now)
        add_entries(connection, request_entry(shown, *about) if whole_batch else run_entry(shown[0], *about))

    @writes
    def discard(self, connection: Connection, key: str, user_id: int, now: datetime) -> None:
        """Record that a message without a result was deleted, and with it the outcome of a batch that shows
        none.

        The runs stay as they are, so a late success is still posted.
        """
        batch = lock_batch(connection, key)
        if not any(run.is_shown for run in batch):
            want(connection, batch[0].request_key, Purpose.OUTCOME, 0, now, {"deleted_by": user_id})
        add_entries(connection, run_entry(batch[0], AuditAction.DISCARD, user_id, now))

    @writes
    def report(
        self, connection: Connection, key: str, report: Report, channel_id: int, now: datetime
    ) -> bool:
        """Record a report, and create a card for moderators or add it to the run's open one.

        Returns whether the run has an open report now.
        """
        run = lock_run(connection, key)
        is_open = run.report_channel_id is not None
        earlier = _entries(connection, run, AuditAction.REPORT)
        if any(entry.actor_id == report.person_id for entry in earlier):
            # A second report by this person is ignored: after a dismissal only another's creates a card.
            return is_open
        details = {"reason": report.reason, **({"note": report.note} if report.note else {})}
        add_entries(connection, run_entry(run, AuditAction.REPORT, report.person_id, now, **details))
        values = {**FRESH, "posted": (), "attempt": None, "channel_id": channel_id}
        if not is_open:
            connection.execute(update(runs).where(runs.c.key == key).values(report_channel_id=channel_id))
        want(connection, run.request_key, Purpose.REPORT, run.index, now, {} if is_open else values)
        return True

    @writes
    def dismiss(self, connection: Connection, key: str, moderator_id: int, now: datetime) -> None:
        """Close the open report of a run without action. A report by another user creates a new card."""
        run = lock_run(connection, key)
        if run.report_channel_id is None:
            raise RefusedError("report_over")
        connection.execute(update(runs).where(runs.c.key == key).values(report_channel_id=None))
        add_entries(connection, run_entry(run, AuditAction.DISMISS, moderator_id, now))
        card = (messages.c.purpose == Purpose.REPORT) & (messages.c.number == run.index)
        bump(connection, run.request_key, now, card)

    @writes
    def decide_pictures(
        self, connection: Connection, key: str, decision: PictureDecision, now: datetime
    ) -> None:
        """Show or hide everything of a request that waits for a moderator."""
        batch, moderator_id = lock_batch(connection, key), decision.moderator_id
        held = [run for run in batch if run.held]
        if not held:
            raise RefusedError("review_over")
        if moderator_id == batch[0].requester_id:
            raise RefusedError("own_request")
        card = messages_of(connection, batch[0].request_key).get((Purpose.PICTURES, 0))
        if moderator_id is not None and card is not None and card.is_pending:
            raise RefusedError("pictures_more")  # the moderator hasn't seen all of them
        labels = dict.fromkeys(label for run in held for label in labels_of(run.verdicts, run.held))
        for run in held:
            after = decided(run.verdicts or {}, decision)
            set_columns(connection, runs, {"key": run.key}, {"verdicts": after, "held_until": None})
            # Not its copies, which don't have what was held.
            bump(connection, run.request_key, now, about_result(run) & messages.c.purpose.not_in(COPIES))
        details = {"decision": decision.told, "labels": ", ".join(labels)}
        add_entries(connection, request_entry(batch, AuditAction.PICTURES, moderator_id, now, **details))

    async def expire_pictures(self, now: datetime) -> bool:
        """Hide what no moderator has decided about in time, and return whether there was anything."""
        overdue = await self._database.read(_overdue, now)
        for key in overdue:
            with suppress(RefusedError):  # somebody has just decided
                await self.decide_pictures(key, NOBODY_DECIDED, now)
        return bool(overdue)

    @reads
    def reports(self, connection: Connection, run: Run) -> list[Report]:
        """Return the reports of a run, oldest first, as far as their audit entries are kept."""
        return [Report(row.actor_id, **row.details) for row in _entries(connection, run, AuditAction.REPORT)]

    @reads
    def last(self, connection: Connection, run: Run, action: AuditAction) -> AuditEntry | None:
        """Return the entry about the last time that an action was taken on a run, or None."""
        found = _entries(connection, run, action)
        return to_entry(found[-1]._mapping).entry if found else None


def _overdue(connection: Connection, now: datetime) -> Sequence[str]:
    query = select(runs.c.request_key).where(runs.c.held_until <= now).distinct().limit(_OVERDUE)
    return connection.execute(query).scalars().all()


def _entries(connection: Connection, run: Run, action: AuditAction) -> Sequence[Row[Any]]:
    query = select(audit).where(
        audit.c.guild_id == run.guild_id,
        audit.c.subject_id == run.requester_id,
        audit.c.run_key == run.key,
        audit.c.action == action,
    )
    return connection.execute(query.order_by(audit.c.id)).all()
