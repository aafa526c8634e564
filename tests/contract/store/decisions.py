"""Decisions about a request for the store's intake, and a request that waits for one."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.budgets import EXPECTED_SECONDS, Usage
from bot.domain.errors import RefusedError
from bot.domain.policy import Allowed, Decision, OperatorRules, Refused, decide
from bot.domain.requests import GenerationRequest, Member
from bot.domain.rules import ServerRules
from bot.domain.runs import Run
from bot.store import Store
from bot.store.requests import Decide
from tests.contract.store.runs import HOLD, NOW, PERSON, fetch, request

ROOM_FOR_FIVE = 5 * EXPECTED_SECONDS
APPROVAL_ENDS = NOW + timedelta(hours=24)


def by_rules(asked: GenerationRequest, person: Member, usage: Usage, rules: ServerRules) -> Decision:
    """Decide as the bot does, for an operator without limits."""
    return decide(asked, person, usage, OperatorRules(), rules)


def noting(seen: list[Usage]) -> Decide:
    """Allow every request and append the usage that it was judged with to `seen`."""

    def judge(_asked: GenerationRequest, _person: Member, usage: Usage, _rules: ServerRules) -> Decision:
        seen.append(usage)
        return Allowed()

    return judge


def within_five(_asked: GenerationRequest, _person: Member, usage: Usage, _rules: ServerRules) -> Decision:
    spent = usage.gpu_seconds_today + EXPECTED_SECONDS > ROOM_FOR_FIVE
    return Refused(RefusedError("daily_limit")) if spent else Allowed()


def in_review(*_: object) -> Decision:
    """Ask for approval within a day."""
    return Allowed(review_channel_id=9, approval_ends=APPROVAL_ENDS)


async def awaiting_approval(store: Store) -> Run:
    """Return a run that waits for approval and whose card is undelivered."""
    run = await store.intake.accept(request(), PERSON, in_review, NOW, HOLD)
    await store.runs.release(run.key, 77, NOW)
    return await fetch(store, run.key)
