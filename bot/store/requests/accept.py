"""Accept requests. The decision, the rows and their audit entries are one transaction.

Concurrent requests share a transaction, in which each is decided after those before it are stored. If the
commit isn't confirmed, the rows are looked up before any requester gets an answer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from bot.database.engine import Database, writes
from bot.database.group_commit import GroupCommit
from bot.database.message_rows import add_answer, want
from bot.database.postgres import lock
from bot.database.rows import insert_rows, new_row, runs_of
from bot.database.tables import runs
from bot.domain.access import OperatorRules
from bot.domain.budgets import budget_day, for_batch, has_daily_limit
from bot.domain.errors import (
    AlreadyTaken,
    CommitUnknown,
    PressedTwice,
    RefusedError,
    RequestUnknown,
    StoreUnavailable,
)
from bot.domain.messages.records import Kind
from bot.domain.moderation.audit import AuditAction, AuditEntry
from bot.domain.policy import Allowed, Refused, decide
from bot.domain.requests import GenerationRequest, Requester
from bot.domain.runs import Run, RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store import ledger
from bot.store.audit import add_entries, batch_of
from bot.store.queue import give_tags
from bot.store.requests.presses import read_presses
from bot.store.requests.usage import read_usage
from bot.store.rules import read_rules

# How PostgreSQL and SQLite name the unique index that is violated by a second request of an interaction.
_INTERACTION_IS_TAKEN = ("requests_interaction", "requests.interaction_id")
# The terms of each request of a batch, or why the batch is refused.
_Verdict = Sequence[Allowed] | Refused


@dataclass(frozen=True, slots=True)
class _Submission:
    """The requests of one batch, which are accepted together or not at all."""

    requests: Sequence[GenerationRequest]
    requester: Requester
    now: datetime
    hold: timedelta

    @property
    def first(self) -> GenerationRequest:
        return self.requests[0]


log = logging.getLogger(__name__)


class RequestStore:
    """Accepts requests. Raises StoreUnavailable if nothing was stored, RequestUnknown if that is unknown."""

    def __init__(self, database: Database, operator: OperatorRules) -> None:
        self._database = database
        self._operator = operator
        self._group = GroupCommit(self._accept_group, timeout=database.lock_seconds)

    async def accept(
        self, requests: Sequence[GenerationRequest], requester: Requester, now: datetime, hold: timedelta
    ) -> Run:
        """Store the requests of a batch, all of them or none, and return its first run.

        Raises RefusedError, which is also recorded in the audit log unless the server's rules are unreadable;
        PressedTwice for a double press; and AlreadyTaken for an interaction that another process has stored.

        Only one transaction at a time accepts requests, across all processes, so no budget is overdrawn. The
        queue call waits for `AnswerStore.release`. If that isn't called within `hold`, Discord is asked
        whether the interaction was answered (`bot.store.requests.answers`).
        """
        submission = _Submission(requests, requester, now, hold)
        try:
            return await self._group.submit(submission)
        except IntegrityError as error:
            if not any(name in str(error.orig) for name in _INTERACTION_IS_TAKEN):
                raise
            raise AlreadyTaken(f"interaction {submission.first.origin.interaction_id}") from error

    @writes
    def record_refusal(
        self, connection: Connection, request: GenerationRequest, code: str, now: datetime
    ) -> None:
        """Add an audit entry for a request that was refused before `accept`."""
        add_entries(connection, _entry(request, now, code))

    async def _accept_group(self, group: Sequence[_Submission]) -> Sequence[Run | Exception]:
        results: dict[str, Run | Exception] = {}
        try:
            await self._accept_all(group, results)
        except CommitUnknown as error:
            results = await self._look_up(results, error)
        return [results[each.first.key] for each in group]

    @writes
    def _accept_all(
        self, connection: Connection, group: Sequence[_Submission], results: dict[str, Run | Exception]
    ) -> None:
        """Decide about a group and store what is accepted. Adds the result of each request to `results`."""
        lock(connection, "accept")
        presses = read_presses(connection, [each.requester for each in group])
        for each in group:
            if presses.is_repeated(each.requester):
                results[each.first.key] = PressedTwice()
                continue
            rules = read_rules(connection, each.first.origin.guild_id)
            verdict = _decide(connection, each, self._operator, rules)
            results[each.first.key] = _store(connection, each, verdict)
            if not isinstance(verdict, Refused):
                presses.add(each.requester, each.now)

    async def _look_up(
        self, results: Mapping[str, Run | Exception], fault: CommitUnknown
    ) -> dict[str, Run | Exception]:
        """Return the results of a transaction whose commit isn't confirmed.

        If all runs are stored, these are `results`. Otherwise an error replaces each run and each double
        press; other refusals stay. The lookup takes the transaction's lock, so the transaction has ended by
        then.
        """
        keys = {key for key, result in results.items() if isinstance(result, Run)}
        found: set[str] | None = None
        try:
            found = await self._database.write(_stored, keys)
        except StoreUnavailable as error:
            log.warning("can't look up whether %s requests are stored: %s", len(keys), error)
        if found == keys:
            return dict(results)
        lost = RequestUnknown(str(fault)) if found is None else StoreUnavailable(str(fault))
        # A press counts as a second one only if the first is stored.
        return {
            key: lost if isinstance(result, Run | PressedTwice) else result for key, result in results.items()
        }


def _stored(connection: Connection, keys: Set[str]) -> set[str]:
    """Return those of the keys that are stored, once no transaction is accepting requests."""
    lock(connection, "accept")
    return set(connection.execute(select(runs.c.key).where(runs.c.key.in_(keys))).scalars())


def _decide(
    connection: Connection, submission: _Submission, operator: OperatorRules, rules: ServerRules
) -> _Verdict:
    """Decide about a batch, each request of it as if the requests before it had been accepted."""
    first = submission.first
    guild_id, limited = first.origin.guild_id, has_daily_limit(rules.budgets.server)
    usage = read_usage(connection, guild_id, first.requester_id, submission.now, server=limited)
    expected = ledger.expected_seconds(connection, first.deployment, first.expected_gpu, submission.now)
    terms: list[Allowed] = []
    for request in submission.requests:
        decision = decide(request, submission.requester, usage, operator, rules, expected=expected)
        if isinstance(decision, Refused):
            return Refused(for_batch(decision.reason, len(terms), len(submission.requests)))
        usage = usage.with_one_more(decision.reserved_seconds, decision.weight, waits=True)
        terms.append(decision)
    return terms


def _store(connection: Connection, submission: _Submission, verdict: _Verdict) -> Run | RefusedError:
    """Store a batch that is allowed, with its review card, its charge and its audit entries.

    Return its first run. Of a refused batch only the audit entry is stored, and the refusal is returned.
    """
    add_entries(connection, *_entries(submission, verdict))
    if isinstance(verdict, Refused):
        return verdict.reason
    # A run in review gets its tag once it is approved.
    in_review = verdict[0].review_channel_id is not None
    asked = [(each.deployment, None if in_review else each.requester_id) for each in submission.requests]
    # The lock "accept" keeps two processes from creating the same queue.
    tags = give_tags(connection, asked)
    pairs = zip(submission.requests, verdict, tags, strict=True)
    values = [_values(submission, each, terms) | {"queue_tag": tag} for each, terms, tag in pairs]
    insert_rows(connection, values)
    batch = runs_of(connection, submission.first.request_key)
    first, key = submission.first, submission.first.request_key
    add_answer(connection, batch[0], submission.now)
    if in_review:
        # `release` makes the card due, so moderators never see a request whose requester saw a failure.
        due_at = first.origin.interaction_expires_at
        channel_id = verdict[0].review_channel_id
        want(connection, key, Kind.REVIEW, 0, submission.now, {"due_at": due_at, "channel_id": channel_id})
    ledger.charge(connection, batch)
    return batch[0]


def _values(submission: _Submission, request: GenerationRequest, terms: Allowed) -> dict[str, object]:
    in_review = terms.review_channel_id is not None
    # The first run's card decides about the whole batch, and so does its expiry.
    review_ends = terms.approval_ends if request.index == 0 else None
    return new_row(request, submission.now) | {
        "state": RunState.AWAITING_APPROVAL if in_review else RunState.WAITING,
        "due_at": review_ends if in_review else None,  # `release` sets it
        "answer_due_at": submission.now + submission.hold,
        "user_limit": terms.limits.at_once,
        "server_limit": terms.limits.server_at_once,
        **_cost(terms, submission.now),
        "spoiler": terms.spoiler,
        "review_channel_id": terms.review_channel_id,
        "requester_joined_at": submission.requester.person.joined_at,
        "press": submission.requester.press.id if submission.requester.press is not None else None,
        "requester_roles": sorted(submission.requester.person.role_ids),
    }


def _cost(terms: Allowed, now: datetime) -> dict[str, object]:
    """Return the columns of a run's cost. A request under review is charged at its approval."""
    if terms.review_channel_id is not None:
        return {"weight": terms.weight, "reserved_seconds": terms.reserved_seconds}
    return ledger.reservation(terms.reserved_seconds, terms.weight, budget_day(now))


def _entries(submission: _Submission, verdict: _Verdict) -> Iterator[AuditEntry]:
    if isinstance(verdict, Refused):
        yield _entry(submission.first, submission.now, verdict.reason.code)
    else:
        yield from (_entry(request, submission.now) for request in submission.requests)


def _entry(request: GenerationRequest, now: datetime, refused: str | None = None) -> AuditEntry:
    return AuditEntry(
        at=now,
        guild_id=request.origin.guild_id,
        actor_id=request.requester_id,
        subject_id=request.requester_id,
        action=AuditAction.REFUSAL if refused else AuditAction.REQUEST,
        run_key=None if refused else request.key,
        request_key=None if refused else batch_of(request, AuditAction.REQUEST),
        deployment=request.deployment,
        outcome=refused,
        details={
            **({"gpu": request.gpu} if request.gpu else {}),
            **({"private": True} if request.private else {}),
        },
    )
