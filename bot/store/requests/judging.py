"""Judge a stored run by the rules as they are now, in the transaction that acts on the answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, RowMapping, and_, bindparam, literal, select

from bot.database.row_locks import lock_accepting
from bot.database.rows import WITH_REQUEST, select_runs, to_run
from bot.database.tables import blocks, key_values, runs, server_rules
from bot.domain.access import OperatorRules
from bot.domain.budgets import Block, Usage, budget_day, day_end, has_daily_limit, weight_of
from bot.domain.errors import RefusedError, RefusedForNow, RunGone
from bot.domain.policy import Offer, judge, start_of
from bot.domain.requests import ChannelState, Member
from bot.domain.runs import Run, RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.transitions import end
from bot.store.blocks import block_of, end_blocked_run
from bot.store.ledger import expected_seconds, read_today
from bot.store.outcomes import apply_change
from bot.store.rules import PAUSE_KEY, validated

# Select, by primary keys, one row with the run and everything but budgets that may forbid its start.
_JUDGED = (
    select_runs(
        key_values.c.value.label("pause_reason"),
        server_rules.c.rules.label("server_rules"),
        blocks.c.user_id.label("blocked_id"),
        blocks.c.reason.label("block_reason"),
        blocks.c.until.label("block_until"),
    )
    .select_from(
        WITH_REQUEST.outerjoin(key_values, key_values.c.name == literal(PAUSE_KEY))
        .outerjoin(server_rules, server_rules.c.guild_id == runs.c.guild_id)
        .outerjoin(
            blocks, and_(blocks.c.guild_id == runs.c.guild_id, blocks.c.user_id == runs.c.requester_id)
        )
    )
    .where(runs.c.key == bindparam("judged"))
)


def judge_run(
    connection: Connection,
    key: str,
    operator: OperatorRules,
    now: datetime,
    *,
    person: Member | None = None,
    channel: ChannelState | None = None,
    offer: Offer | None = None,
) -> tuple[Run, RefusedError | None]:
    """Return a run and the refusal that keeps it from starting now, if any. Raises RunGone.

    The budgets of its person and server are judged only if the run isn't charged today: at its approval, and
    at a claim on another day. A run under review is returned with the reservation to charge, and judged
    together with its batch. `person` and `channel` are the requester and the channel as they are now, or
    None if Discord wasn't asked. `offer` is what the operator offers today; with it, today's prices apply.
    """
    row = connection.execute(_JUDGED, {"judged": key}).mappings().first()
    if row is None:
        raise RunGone(key)
    run = to_run(row)
    if offer is not None and offer.refusal is not None:
        return run, offer.refusal
    if run.sources and _is_source_deleted(connection, run):
        return run, RefusedError("parent_deleted")
    try:
        rules = validated(row["server_rules"], run.guild_id)
    except RefusedForNow as unreadable:
        # Unreadable rules hold back all runs of their server, but no other server's.
        return run, unreadable
    in_review = run.state is RunState.AWAITING_APPROVAL
    if in_review:
        gpu = offer.gpu if offer is not None else run.expected_gpu
        seconds = expected_seconds(connection, run.deployment, gpu, now)
        run = replace(run, expected_gpu=gpu, weight=weight_of(gpu, rules), reserved_seconds=seconds)
    is_charged = run.charged_on == budget_day(now)
    start = start_of(run, person, channel, offer, is_charged=is_charged)
    usage = Usage(now=now, day_end=day_end(now), block=_block(row, now), paused=row["pause_reason"])
    if not is_charged or operator.daily_gpu_seconds is not None:
        usage = _with_use_of_today(connection, run, usage, rules, is_charged=is_charged)
    try:
        judge(start, usage, operator, rules, count=run.count if in_review else 1)
    except RefusedError as reason:
        return run, reason
    return run, None


def _is_source_deleted(connection: Connection, run: Run) -> bool:
    """Return whether a result was deleted whose file the run takes, even by way of a repeated request."""
    deleted = runs.c.key.in_(run.sources) & runs.c.deleted_at.is_not(None)
    return connection.scalar(select(literal(1)).where(deleted).limit(1)) is not None


def _block(row: RowMapping, now: datetime) -> Block | None:
    until = row["block_until"]
    blocked = row["blocked_id"] is not None and (until is None or until > now)
    return Block(row["block_reason"], until) if blocked else None


def _with_use_of_today(
    connection: Connection, run: Run, usage: Usage, rules: ServerRules, *, is_charged: bool
) -> Usage:
    if not is_charged:
        # A request that is accepted at the same time can't charge what is judged here.
        lock_accepting(connection, run.server)
    server = not is_charged and has_daily_limit(rules.budgets.server)
    today = read_today(connection, run.guild_id, run.requester_id, usage.now, server=server)
    return replace(usage, gpu_seconds_today=today.seconds, person=today.person, server=today.server)


def refuse(connection: Connection, run: Run, reason: RefusedError, now: datetime) -> None:
    """End a locked run that hasn't been started, because a rule forbids it for good.

    If the requester is blocked, the run ends as `BlockStore.block` would end it. The outcome then doesn't
    show the block's reason, because only the requester may read that.
    """
    block = block_of(connection, run, now)
    if block is not None and end_blocked_run(connection, run, block):
        return
    change = end(run, RunState.REFUSED, now, reason.code, reason.params)
    if change is not None:
        apply_change(connection, run, change, now)
