"""Requests, people and usage for tests of the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from typing import Any

from bot.domain.budgets import Usage
from bot.domain.errors import Param, RefusedError
from bot.domain.policy import Facts, OperatorRules, decide
from bot.domain.requests import Actor, ChannelState, Member, Origin, new_key
from bot.domain.runs import Run, RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.strings import SENTENCES, explain

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY_END = datetime(2026, 5, 5, tzinfo=UTC)
PERSON = Member(id=4, created_at=NOW - timedelta(days=100), joined_at=NOW - timedelta(days=10))
USAGE = Usage(now=NOW, day_end=DAY_END)
ARTISTS, STAFF, REVIEWERS = 11, 12, 13
# The bot can't post in this channel.
CLOSED = 14


def place(guild_id: int | None = 7, **changes: Any) -> Origin:
    """Return the origin of a request."""
    plain = {
        "channel_id": 2,
        "application_id": 3,
        "interaction_token": "hush",
        "interaction_expires_at": NOW + timedelta(minutes=15),
        "upload_limit": 1,
    }
    return Origin(guild_id=guild_id, **{**plain, **changes})


def request(guild_id: int | None = 7, *, restricted_channel: bool = False, **more: Any) -> Run:
    """Return a new run."""
    key = new_key(SystemRandom())
    plain = {
        "key": key,
        "request_key": key,
        "state": RunState.WAITING,
        "created_at": NOW,
        "requester_id": 4,
        "deployment": "flux",
        "deployment_id": "i",
        "inputs": {},
        "expected_gpu": more.get("gpu"),
    }
    origin = place(guild_id, channel_age_restricted=restricted_channel)
    return Run(**{**asdict(origin), **plain, **more})


def origin_of(run: Run) -> Origin:
    return Origin(**{each.name: getattr(run, each.name) for each in fields(Origin)})


def judge(
    asked: Run | None = None,
    person: Member = PERSON,
    usage: Usage = USAGE,
    rules: ServerRules | None = None,
    count: int = 1,
    **operator: Any,
) -> Run | RefusedError:
    asked = replace(asked or request(), count=count)
    requester = Actor(
        person, origin_of(asked), frozenset(), lambda channel_id: ChannelState(exists=channel_id != CLOSED)
    )
    try:
        return decide(asked, requester, Facts(rules or ServerRules(), usage), OperatorRules(**operator))
    except RefusedError as reason:
        return reason


def refusal(decision: Run | RefusedError) -> tuple[str, dict[str, Param]] | None:
    """Return a refusal's code and params, which must fill its sentence; None when the request is allowed."""
    if isinstance(decision, Run):
        return None
    assert explain(decision) not in (SENTENCES["internal"], decision.code)
    assert None not in decision.params.values()
    return decision.code, decision.params


def code(decision: Run | RefusedError) -> str | None:
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
