"""Requests, people and what they have used, as the rules are asked about them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.rules import ServerRules
from bot.rules.people import Person
from bot.runs.policy import (
    Allowed,
    Decision,
    OperatorRules,
    Refused,
    Usage,
    decide,
)
from bot.runs.request import GenerationRequest, Origin
from bot.words import SENTENCES, explain

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY_END = datetime(2026, 5, 5, tzinfo=UTC)
PERSON = Person(id=4, created_at=NOW - timedelta(days=100), joined_at=NOW - timedelta(days=10))
USAGE = Usage(now=NOW, day_end=DAY_END)
ARTISTS, STAFF, REVIEWERS = 11, 12, 13


def request(guild_id: int | None = 7, *, age_restricted: bool = False, **more: Any) -> GenerationRequest:
    origin = Origin(
        guild_id=guild_id,
        channel_id=2,
        application_id=3,
        interaction_token="hush",
        interaction_expires_at=NOW + timedelta(minutes=15),
        upload_limit=1,
        age_restricted=age_restricted,
    )
    return GenerationRequest(
        **{
            "requester_id": 4,
            "origin": origin,
            "deployment": "flux",
            "deployment_id": "i",
            "inputs": {},
            **more,
        }
    )


def judge(
    asked: GenerationRequest | None = None,
    person: Person = PERSON,
    usage: Usage = USAGE,
    rules: ServerRules | None = None,
    **operator: Any,
) -> Decision:
    return decide(asked or request(), person, usage, OperatorRules(**operator), rules or ServerRules())


def code(decision: Decision) -> str | None:
    """The refusal's code, None when allowed; its sentence has all it needs."""
    if isinstance(decision, Allowed):
        return None
    assert isinstance(decision, Refused)
    assert explain(decision.reason) not in (SENTENCES["internal"], decision.reason.code)
    return decision.reason.code


def told(decision: Decision) -> str:
    assert isinstance(decision, Refused)
    return explain(decision.reason)


def having(*roles: int, **more: Any) -> Person:
    return replace(PERSON, role_ids=frozenset(roles), **more)
