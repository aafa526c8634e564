"""Requests, people and usage for tests of the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from typing import Any

from bot.domain.budgets import Usage
from bot.domain.errors import Param, RefusedError
from bot.domain.policy import OperatorRules, Terms, decide
from bot.domain.requests import Actor, ChannelState, GenerationRequest, Member, Origin, new_key
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.strings import SENTENCES, explain

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY_END = datetime(2026, 5, 5, tzinfo=UTC)
PERSON = Member(id=4, created_at=NOW - timedelta(days=100), joined_at=NOW - timedelta(days=10))
USAGE = Usage(now=NOW, day_end=DAY_END)
ARTISTS, STAFF, REVIEWERS = 11, 12, 13
# The bot can't post in this channel.
CLOSED = 14


def request(
    guild_id: int | None = 7, *, restricted_channel: bool = False, user_install: bool = False, **more: Any
) -> GenerationRequest:
    origin = Origin(
        guild_id=guild_id,
        channel_id=2,
        application_id=3,
        interaction_token="hush",
        interaction_expires_at=NOW + timedelta(minutes=15),
        upload_limit=1,
        age_restricted=restricted_channel,
        user_install=user_install,
    )
    plain = {
        "key": new_key(SystemRandom()),
        "requester_id": 4,
        "origin": origin,
        "deployment": "flux",
        "deployment_id": "i",
        "inputs": {},
    }
    return GenerationRequest(**{"key": new_key(SystemRandom()), **plain, **more})


def judge(
    asked: GenerationRequest | None = None,
    person: Member = PERSON,
    usage: Usage = USAGE,
    rules: ServerRules | None = None,
    count: int = 1,
    **operator: Any,
) -> Terms | RefusedError:
    asked = asked or request()
    requester = Actor(
        person, asked.origin, frozenset(), lambda channel_id: ChannelState(exists=channel_id != CLOSED)
    )
    try:
        return decide(asked, requester, usage, OperatorRules(**operator), rules or ServerRules(), count=count)
    except RefusedError as reason:
        return reason


def refusal(decision: Terms | RefusedError) -> tuple[str, dict[str, Param]] | None:
    """Return a refusal's code and params, which must fill its sentence; None when the request is allowed."""
    if isinstance(decision, Terms):
        return None
    assert explain(decision) not in (SENTENCES["internal"], decision.code)
    assert None not in decision.params.values()
    return decision.code, decision.params


def code(decision: Terms | RefusedError) -> str | None:
    found = refusal(decision)
    return found[0] if found else None


def refused(check: Callable[[], object]) -> str | None:
    """Return the code of the RefusedError that a check raises, or None if it raises none."""
    try:
        check()
    except RefusedError as error:
        return error.code
    return None


def stamp(moment: datetime) -> int:
    return int(moment.timestamp())


def having(*roles: int, **more: Any) -> Member:
    return replace(PERSON, role_ids=frozenset(roles), **more)
