"""Taking requests in: the decision, the row and its line in the record are one transaction.

Requests that wait together share it; each is judged after the ones before it, on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.engine import LOCK_SECONDS, Database
from bot.database.tables import create_delivery, request_row, run_columns, runs, to_run
from bot.database.write_queue import GroupCommit
from bot.domain.budgets import Usage, budget_day
from bot.domain.errors import AlreadyTaken
from bot.domain.policy import Allowed, Decision, Refused, for_several
from bot.domain.records import AuditAction, AuditEntry
from bot.domain.requests import GenerationRequest, Member
from bot.domain.rules import ServerRules
from bot.domain.runs import Purpose, Run, RunState
from bot.store.audit import note
from bot.store.rules import read_rules
from bot.store.usage import UsageTally, read_tally

Decide = Callable[[GenerationRequest, Member, Usage, ServerRules], Decision]
# The terms of each, or why there are none.
_Judged = Sequence[Allowed] | Refused


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request, or several that are accepted together or not at all."""

    requests: Sequence[GenerationRequest]
    person: Member
    decide: Decide
    now: datetime
    hold: timedelta

    @property
    def request(self) -> GenerationRequest:
        """The only one, or the first."""
        return self.requests[0]

    @property
    def counted_in(self) -> tuple[int | None, datetime]:
        """Whose budgets, and of which day."""
        return self.request.origin.guild_id, budget_day(self.now)


class RequestStore:
    """Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathering = GroupCommit(self._accept, timeout=LOCK_SECONDS)

    async def accept(
        self,
        request: GenerationRequest,
        person: Member,
        decide: Decide,
        now: datetime,
        hold: timedelta,
        *,
        others: Sequence[GenerationRequest] = (),
    ) -> Run:
        """Stores the intent, if the rules allow it. `decide` is pure: it may be asked again.

        `others` are the rest of several, of which `request` is the first: all are accepted, or none.

        Raises RefusedError, which stands in the record too, and AlreadyTaken for an interaction that another
        process stored first.

        Exclusive over all processes, so that a budget can't be overdrawn. `hold` keeps the queue call back
        while the interaction is being answered; `release` ends it early, a crash lets it run out.
        """
        try:
            return await self._gathering.submit(_Asked((request, *others), person, decide, now, hold))
        except IntegrityError as error:
            if request.origin.interaction_id is None:
                raise
            raise AlreadyTaken(f"interaction {request.origin.interaction_id}") from error

    async def _accept(self, asked: Sequence[_Asked]) -> Sequence[Run | Exception]:
        found: dict[str, Run | Exception] = {}
        async with self._database.exclusive("accept", urgent=True) as connection:
            for guild_id, day in dict.fromkeys(each.counted_in for each in asked):
                here = [each for each in asked if each.counted_in == (guild_id, day)]
                rules = await read_rules(connection, guild_id)
                people = [each.request.requester_id for each in here]
                tally = await read_tally(connection, guild_id, people, day)
                decisions = [_judge(each, tally, rules) for each in here]
                found |= await _store(connection, list(zip(here, decisions, strict=True)))
        return [found[each.request.key] for each in asked]

    async def usage_of(self, guild_id: int | None, user_id: int, now: datetime) -> Usage:
        """What counts against a person's and the server's budgets today."""
        async with self._database.read() as connection:
            tally = await read_tally(connection, guild_id, [user_id], budget_day(now))
            return tally.of(user_id, now)


def _judge(asked: _Asked, tally: UsageTally, rules: ServerRules) -> _Judged:
    """After everything that was accepted before it; each of several after those before it, too."""
    user_id = asked.request.requester_id
    trial = tally.copy()
    terms: list[Allowed] = []
    for request in asked.requests:
        decision = asked.decide(request, asked.person, trial.of(user_id, asked.now), rules)
        if isinstance(decision, Refused):
            return Refused(for_several(decision.reason, len(terms), len(asked.requests)))
        trial.add(user_id, decision)
        terms.append(decision)
    for each in terms:
        tally.add(user_id, each)
    return terms


async def _store(
    connection: AsyncConnection, judged: Sequence[tuple[_Asked, _Judged]]
) -> Mapping[str, Run | Exception]:
    """The rows and the lines of the record; what each is told, by run key."""
    await note(connection, *(entry for asked, verdict in judged for entry in _entries(asked, verdict)))
    found: dict[str, Run | Exception] = {
        asked.request.key: verdict.reason for asked, verdict in judged if isinstance(verdict, Refused)
    }
    allowed = [
        (asked, request, terms)
        for asked, verdict in judged
        if not isinstance(verdict, Refused)
        for request, terms in zip(asked.requests, verdict, strict=True)
    ]
    if allowed:
        stored = await connection.execute(_NEW, [_values(*each) for each in allowed])
        found |= {row["key"]: to_run(row) for row in stored.mappings()}
    for asked, request, terms in allowed:
        if terms.review_channel_id is not None and request.batch_index == 0:
            await create_delivery(connection, request.key, Purpose.REVIEW, asked.now + asked.hold, asked.now)
    return found


def _values(asked: _Asked, request: GenerationRequest, terms: Allowed) -> dict[str, object]:
    in_review = terms.review_channel_id is not None
    # The card of the first decides about all of several, and so does its end.
    review_ends = terms.approval_ends if request.batch_index == 0 else None
    return request_row(request, asked.now) | {
        "state": RunState.AWAITING_APPROVAL if in_review else RunState.WAITING,
        "due_at": review_ends if in_review else asked.now + asked.hold,
        "person_limit": terms.limits.at_once,
        "server_limit": terms.limits.server_at_once,
        "weight": terms.weight,
        "reserved_seconds": terms.reserved_seconds,
        "spoiler": terms.spoiler,
        "review_channel_id": terms.review_channel_id,
        "requester_joined_at": asked.person.joined_at,
    }


def _entries(asked: _Asked, verdict: _Judged) -> Iterator[AuditEntry]:
    if isinstance(verdict, Refused):
        yield _entry(asked, asked.request, verdict.reason.code)
    else:
        yield from (_entry(asked, request) for request in asked.requests)


def _entry(asked: _Asked, request: GenerationRequest, refused: str | None = None) -> AuditEntry:
    return AuditEntry(
        at=asked.now,
        guild_id=request.origin.guild_id,
        actor_id=request.requester_id,
        subject_id=request.requester_id,
        action=AuditAction.REFUSAL if refused else AuditAction.REQUEST,
        run_key=None if refused else request.key,
        deployment=request.deployment,
        outcome=refused,
        details={"gpu": request.gpu} if request.gpu else {},
    )


_NEW = insert(runs).returning(*run_columns())
