"""Accept requests, and judge stored ones by the rules as they are now.

A decision, the rows that it changes and their audit entry are one transaction. `bot/domain/policy.py` has the
rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, exists, literal, select
from sqlalchemy.exc import IntegrityError

from bot.database.engine import Database, Repository, reads, writes
from bot.database.row_locks import lock_accepting
from bot.database.rows import insert_rows, new_row, read_runs, runs_of, want
from bot.database.tables import UtcDateTime, requests, runs
from bot.domain.errors import (
    AlreadyTaken,
    CommitUnknown,
    PressedTwice,
    RefusedError,
    RefusedForNow,
    RequestUnknown,
    RunGone,
    StoreUnavailable,
)
from bot.domain.messages import Purpose
from bot.domain.moderation import AuditAction, AuditEntry
from bot.domain.policy import Facts, Offer, OperatorRules, Usage, budget_day, decide, judge
from bot.domain.requests import Actor, ChannelState, Member
from bot.domain.runs import Run, RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.transitions import end
from bot.store import ledger
from bot.store.audit import add_entries, request_entry, run_entry
from bot.store.blocks import active_block, end_blocked_run
from bot.store.messages import ACCEPTING
from bot.store.presets import read_usable
from bot.store.queue import join_queue
from bot.store.reading.figures import expected_seconds, read_usage
from bot.store.rules import read_rules
from bot.store.runs import apply_change

# A second press of the same button within this time counts as a double click.
DOUBLE_PRESS = timedelta(seconds=5)
# An earlier press may be accepted after the second one was made. A request from further in the future was
# accepted before the clock was set back.
_LATEST = timedelta(minutes=1)
# How many requests a process accepts at once.
_AT_ONCE = 4
# How long nobody else shows the status message or the outcome, if the process that accepts a request dies.
_SHOWING = timedelta(seconds=60)
# How PostgreSQL and SQLite name the unique index that is violated by a second request of an interaction.
_INTERACTION_IS_TAKEN = ("requests_interaction", "requests.interaction_id")
_IS_REPEATED = select(
    exists().where(
        requests.c.requester_id == bindparam("person"),
        requests.c.created_at > bindparam("since", type_=UtcDateTime()),
        requests.c.created_at < bindparam("until", type_=UtcDateTime()),
        requests.c.press == bindparam("pressed"),
        # An interaction that another process has accepted is not a second press.
        requests.c.interaction_id.is_distinct_from(bindparam("interaction")),
    )
)


class RequestStore(Repository):
    """Accepts requests. Raises StoreUnavailable if nothing was stored, RequestUnknown if that is unknown."""

    def __init__(self, database: Database, operator: OperatorRules) -> None:
        super().__init__(database)
        self._operator = operator
        # A transaction waits for the database for two seconds at most. In these queues, requests may wait
        # longer, because their requesters already have an answer, or get one meanwhile.
        self._turns, self._checks = asyncio.Semaphore(_AT_ONCE), asyncio.Semaphore(_AT_ONCE)

    async def facts(
        self,
        requester: Actor,
        deployment: str,
        gpus: Collection[str | None],
        now: datetime,
        *,
        preset: str | None,
    ) -> Facts:
        """Return what decides about a request now. `accept` reads it again. Raises PressedTwice.

        With a `preset`, this includes the presets of this name, and the defaults. The seconds to reserve on
        the GPUs are read only if a limit depends on them.
        """
        async with self._checks:
            return await self._read_facts(requester, deployment, gpus, now, preset=preset)

    @reads
    def _read_facts(
        self,
        connection: Connection,
        requester: Actor,
        deployment: str,
        gpus: Collection[str | None],
        now: datetime,
        *,
        preset: str | None,
    ) -> Facts:
        _check_press(connection, requester)
        facts = _facts(connection, requester, self._operator, now)
        daily = (facts.rules.budgets.limits_of(requester.person.role_ids), facts.rules.budgets.server)
        ceilings = (self._operator.daily_gpu_seconds, *(each.gpu_seconds_a_day for each in daily))
        if any(each is not None for each in ceilings):
            expected = {gpu: expected_seconds(connection, deployment, gpu, now) for gpu in gpus}
            facts = facts._replace(expected=expected)
        if preset is None:
            return facts
        origin = requester.origin
        used = read_usable(connection, requester.id, origin.guild_id, requester.channel_ids, preset)
        return facts._replace(named=used.named, defaults=used.defaults)

    async def accept(self, batch: Sequence[Run], requester: Actor, now: datetime, *, public: bool) -> Run:
        """Store the requests of a batch, all of them or none, and return its first run.

        Raises RefusedError, which is also recorded in the audit log; PressedTwice; and AlreadyTaken for an
        interaction that another process has stored. If everybody sees the answer (`public`), a request that
        needs an approval is refused. Only one transaction at a time accepts requests of a server, across all
        processes, so no budget is overdrawn.
        """
        try:
            async with self._turns:
                accepted = await self._accept(batch, requester, now, public=public)
        except CommitUnknown as fault:
            try:
                found = await self._stored(batch[0])
            except StoreUnavailable as error:
                raise RequestUnknown(str(fault)) from error
            if not found:
                raise StoreUnavailable(str(fault)) from fault
            accepted = found[0]
        except IntegrityError as error:
            if not any(name in str(error.orig) for name in _INTERACTION_IS_TAKEN):
                raise
            raise AlreadyTaken(f"interaction {batch[0].interaction_id}") from error
        if isinstance(accepted, RefusedError):
            raise accepted
        return accepted

    @writes
    def record_refusal(
        self, connection: Connection, run: Run, code: str, now: datetime, details: Mapping[str, object] = {}
    ) -> None:
        add_entries(connection, _refusal(run, code, now, **details))

    @writes
    def _accept(
        self,
        connection: Connection,
        batch: Sequence[Run],
        requester: Actor,
        now: datetime,
        *,
        public: bool,
    ) -> Run | RefusedError:
        """Store a batch with its card, charge and audit entry, or the audit entry of its refusal, which is
        returned.
        """
        first = batch[0]
        lock_accepting(connection, first.server)
        _check_press(connection, requester)
        try:
            facts = _facts(connection, requester, self._operator, now)
            seconds = expected_seconds(connection, first.deployment, first.expected_gpu, now)
            facts = facts._replace(expected={first.expected_gpu: seconds})
            accepted = decide(first, requester, facts, self._operator, public=public)
        except RefusedError as refused:
            add_entries(connection, _refusal(first, refused.code, now))
            return refused
        return _store(connection, batch, accepted, requester, facts.rules)

    @writes
    def _stored(self, connection: Connection, first: Run) -> list[Run]:
        """Return the runs of a transaction without a confirmed commit. With its lock, it has ended."""
        lock_accepting(connection, first.server)
        return runs_of(connection, first.request_key)


def _facts(connection: Connection, requester: Actor, operator: OperatorRules, now: datetime) -> Facts:
    """Return the rules and the usage. What was used today is read only if a limit depends on it."""
    guild_id = requester.origin.guild_id
    rules = read_rules(connection, guild_id)
    daily = [operator.daily_gpu_seconds]
    for each in (rules.budgets.limits_of(requester.person.role_ids), rules.budgets.server):
        daily += [each.runs_a_day, each.gpu_seconds_a_day]
    today = any(limit is not None for limit in daily)
    return Facts(rules, read_usage(connection, guild_id, requester.id, now, today=today))


def _check_press(connection: Connection, requester: Actor) -> None:
    press = requester.press
    if press is None:
        return
    values = {
        "person": requester.person.id,
        "since": press.at - DOUBLE_PRESS,
        "until": press.at + _LATEST,
        "pressed": press.id,
        "interaction": requester.origin.interaction_id,
    }
    if connection.scalar(_IS_REPEATED, values):
        raise PressedTwice


def _store(
    connection: Connection, batch: Sequence[Run], accepted: Run, requester: Actor, rules: ServerRules
) -> Run:
    # The terms on which the first run was accepted hold for all.
    stored = [accepted]
    stored += (
        replace(accepted, key=run.key, inputs=run.inputs, seed=run.seed, index=run.index) for run in batch[1:]
    )
    in_review, now = accepted.review_channel_id is not None, accepted.created_at
    entry = request_entry(stored, AuditAction.REQUEST, accepted.requester_id, now, **_terms(accepted))
    add_entries(connection, entry)
    # A run in review gets its tag once it is approved.
    person = None if in_review else accepted.requester_id
    tags, held = join_queue(connection, accepted.deployment, person, len(stored))
    own = {
        # The process that accepts it is about to show the status message.
        "lease_owner": ACCEPTING,
        "lease_until": now + _SHOWING,
        **limits_at_once(requester.person, rules),
        "press": requester.press.id if requester.press is not None else None,
    }
    rows = [new_row(run) | own | {"due_at": now, "queue_tag": tags[run.index]} for run in stored]
    if in_review:  # the first run's card decides about the whole batch, and so does its expiry
        for row in rows:
            row["due_at"] = now + timedelta(hours=rules.approval.hours) if row["index"] == 0 else None
    insert_rows(connection, rows)
    want(connection, accepted.request_key, Purpose.STATUS, 0, now)
    if in_review:
        channel = {"channel_id": accepted.review_channel_id}
        want(connection, accepted.request_key, Purpose.REVIEW, 0, now, channel)
    ledger.charge(connection, stored)
    # The status message has to say if the queue is held.
    return replace(accepted, **held)


def limits_at_once(person: Member, rules: ServerRules) -> dict[str, int | None]:
    """Return the columns of a run with how many runs its person and server may have in flight."""
    return {
        "user_limit": rules.budgets.limits_of(person.role_ids).at_once,
        "server_limit": rules.budgets.server.at_once,
    }


def _refusal(run: Run, code: str, now: datetime, **details: object) -> AuditEntry:
    details = _terms(run) | details
    entry = run_entry(run, AuditAction.REFUSAL, run.requester_id, now, outcome=code, **details)
    return replace(entry, run_key=None)


def _terms(run: Run) -> dict[str, object]:
    private = {"result": "private"} if run.private else {}
    return {"GPU": run.gpu, **private} if run.gpu else {**private}


def judge_run(
    connection: Connection,
    key: str,
    operator: OperatorRules,
    now: datetime,
    *,
    person: Member | None = None,
    channel: ChannelState | None = None,
    offer: Offer | None = None,
    paused: str | None = None,
) -> tuple[Run, RefusedError | None]:
    """Return a run and the refusal that keeps it from starting now, if any. Raises RunGone.

    Budgets are judged only if the run isn't charged today: at its approval, and at a claim on another day. A
    run under review is returned with the reservation to charge, and judged together with its batch. `person`
    and `channel` are as they are now, or None if Discord wasn't asked. With an `offer`, today's prices apply.
    `paused` is the reason of a pause.
    """
    found = read_runs(connection, [key])
    if not found:
        raise RunGone(key)
    run = found[0]
    if offer is not None and offer.refusal is not None:
        return run, offer.refusal
    if run.sources:
        # A result whose file the run takes, even by way of a repeated request.
        deleted = runs.c.key.in_(run.sources) & runs.c.deleted_at.is_not(None)
        if connection.scalar(select(literal(1)).where(deleted).limit(1)) is not None:
            return run, RefusedError("parent_deleted")
    try:
        rules = read_rules(connection, run.guild_id)
    except RefusedForNow as unreadable:
        # Unreadable rules hold back all runs of their server, but no other server's.
        return run, unreadable
    gpu = offer.gpu if offer is not None else run.expected_gpu
    if gpu != run.expected_gpu:
        run = replace(run, expected_gpu=gpu)
    if run.state is RunState.AWAITING_APPROVAL:
        seconds = expected_seconds(connection, run.deployment, gpu, now)
        run = replace(run, weight=rules.budgets.weight_of(gpu), reserved_seconds=seconds)
    usage, charged = Usage(now=now), run.charged_on == budget_day(now)
    if not charged:
        # A request that is accepted at the same time can't charge what is judged here.
        lock_accepting(connection, run.server)
        usage = ledger.read_today(connection, run.guild_id, run.requester_id, now)
    elif operator.daily_gpu_seconds is not None:
        usage = ledger.read_today(connection, None, 0, now)  # only the whole bot's, the rest is charged
    block = active_block(connection, run.guild_id, run.requester_id, now)
    usage = replace(usage, block=block, paused=paused)
    is_marked = offer is not None and offer.is_marked
    try:
        judge(run, usage, operator, rules, person=person, channel=channel, is_marked=is_marked, new=False)
    except RefusedError as reason:
        return run, reason
    return run, None


def refuse(connection: Connection, run: Run, reason: RefusedError, now: datetime) -> None:
    """End a locked run that hasn't been started, because a rule forbids it for good.

    If the requester is blocked, it ends as a new block would end it. The outcome then doesn't show the
    block's reason, which only the requester may read.
    """
    block = active_block(connection, run.guild_id, run.requester_id, now)
    if block is not None and end_blocked_run(connection, run, block, now):
        return
    change = end(run, RunState.REFUSED, now, reason.code, reason.params)
    if change is not None:
        apply_change(connection, run, change, now)
