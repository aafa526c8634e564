"""Accept requests. The decision, the rows and their audit entries are one transaction.

Concurrent requests share a transaction, in which each is decided separately. If the commit isn't confirmed,
the rows are looked up before any requester gets an answer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from bot.database.engine import Database, writes
from bot.database.group_commit import GroupCommit
from bot.database.postgres import lock
from bot.database.tables import create_delivery, request_row, run_columns, runs, to_run
from bot.domain.access import OperatorRules
from bot.domain.budgets import budget_day, for_batch
from bot.domain.errors import AlreadyTaken, CommitUnknown, PressedTwice, RequestUnknown, StoreUnavailable
from bot.domain.moderation.audit import AuditAction, AuditEntry
from bot.domain.policy import Allowed, Refused, decide
from bot.domain.requests import GenerationRequest, Requester
from bot.domain.results.deliveries import Purpose
from bot.domain.runs import Run, RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store.audit import add_entries, batch_of
from bot.store.queue import give_tags
from bot.store.requests.presses import read_presses
from bot.store.requests.usage import UsageTally, read_tally
from bot.store.rules import read_rules

# How PostgreSQL and SQLite name the unique index that is violated by a second request of an interaction.
_INTERACTION_IS_TAKEN = ("runs_interaction", "runs.interaction_id")
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

    @property
    def budget(self) -> tuple[int | None, datetime]:
        """Return the server and the day whose budgets the requests count against."""
        return self.first.origin.guild_id, budget_day(self.now)


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
        for guild_id, day in dict.fromkeys(each.budget for each in group):
            here = [each for each in group if each.budget == (guild_id, day)]
            rules = read_rules(connection, guild_id)
            people = [each.first.requester_id for each in here]
            tally = read_tally(connection, guild_id, people, day)
            decided: list[tuple[_Submission, _Verdict]] = []
            for each in here:
                if presses.is_repeated(each.requester):
                    results[each.first.key] = PressedTwice()
                    continue
                decided.append((each, _decide(each, tally, self._operator, rules)))
                if not isinstance(decided[-1][1], Refused):
                    presses.add(each.requester, each.now)
            results |= _store(connection, decided)

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
    submission: _Submission, tally: UsageTally, operator: OperatorRules, rules: ServerRules
) -> _Verdict:
    """Decide about a batch, and count it in `tally` if it is allowed.

    Each request of the batch is decided as if the requests before it had been accepted.
    """
    user_id = submission.first.requester_id
    trial = tally.copy()
    terms: list[Allowed] = []
    for request in submission.requests:
        usage = trial.of(user_id, submission.now)
        decision = decide(request, submission.requester, usage, operator, rules)
        if isinstance(decision, Refused):
            return Refused(for_batch(decision.reason, len(terms), len(submission.requests)))
        trial.add(user_id, decision)
        terms.append(decision)
    for each in terms:
        tally.add(user_id, each)
    return terms


def _store(
    connection: Connection, decided: Sequence[tuple[_Submission, _Verdict]]
) -> Mapping[str, Run | Exception]:
    """Store the allowed runs, their review cards and all audit entries.

    Returns the runs by key. A refused batch has one refusal, under the key of its first request.
    """
    if not decided:
        return {}
    add_entries(connection, *(entry for each, verdict in decided for entry in _entries(each, verdict)))
    results: dict[str, Run | Exception] = {
        each.first.key: verdict.reason for each, verdict in decided if isinstance(verdict, Refused)
    }
    allowed = [
        (each, request, terms)
        for each, verdict in decided
        if not isinstance(verdict, Refused)
        for request, terms in zip(each.requests, verdict, strict=True)
    ]
    if allowed:
        # A run in review gets its tag once it is approved.
        asked = [
            (request.deployment, request.requester_id if terms.review_channel_id is None else None)
            for _, request, terms in allowed
        ]
        # The lock "accept" keeps two processes from creating the same queue.
        tags = give_tags(connection, asked)
        rows = [_values(*each) | {"queue_tag": tag} for each, tag in zip(allowed, tags, strict=True)]
        stored = connection.execute(_NEW, rows)
        results |= {row["key"]: to_run(row) for row in stored.mappings()}
    for each, request, terms in allowed:
        if terms.review_channel_id is not None and request.batch_index == 0:
            # `release` makes the card due, so moderators never see a request whose requester saw a failure.
            due_at = request.origin.interaction_expires_at
            create_delivery(connection, request.key, Purpose.REVIEW, due_at, each.now)
    return results


def _values(submission: _Submission, request: GenerationRequest, terms: Allowed) -> dict[str, object]:
    in_review = terms.review_channel_id is not None
    # The first run's card decides about the whole batch, and so does its expiry.
    review_ends = terms.approval_ends if request.batch_index == 0 else None
    return request_row(request, submission.now) | {
        "state": RunState.AWAITING_APPROVAL if in_review else RunState.WAITING,
        "due_at": review_ends if in_review else submission.now + submission.hold,
        "answer_due_at": submission.now + submission.hold,
        "user_limit": terms.limits.at_once,
        "server_limit": terms.limits.server_at_once,
        "weight": terms.weight,
        "reserved_seconds": terms.reserved_seconds,
        "spoiler": terms.spoiler,
        "review_channel_id": terms.review_channel_id,
        "requester_joined_at": submission.requester.person.joined_at,
        "press": submission.requester.press.id if submission.requester.press is not None else None,
        "requester_roles": sorted(submission.requester.person.role_ids),
    }


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
        batch_key=None if refused else batch_of(request, AuditAction.REQUEST),
        deployment=request.deployment,
        outcome=refused,
        details={
            **({"gpu": request.gpu} if request.gpu else {}),
            **({"private": True} if request.private else {}),
        },
    )


_NEW = insert(runs).returning(*run_columns())
