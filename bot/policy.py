"""Whether a request may run. Pure: (request, usage, rules) -> a decision.

The operator's limits stand above every server's own rules. Evaluated inside the transaction that stores
the request, so that two requests can't both take the last of a budget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.errors import RefusedError
from bot.request import GenerationRequest

# What a run is taken to cost, in seconds, until ComfyDeploy tells what it took.
RESERVED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class OperatorRules:
    """The operator's limits. None means no limit."""

    allowed_guild_ids: frozenset[int] | None = None
    allow_direct_messages: bool = False
    daily_gpu_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What counts against the limits now: GPU seconds since `day_start`, those of running ones estimated."""

    gpu_seconds_today: float
    day_end: datetime


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request may run."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The request may not run; `reason` carries the sentence."""

    reason: RefusedError


Decision = Allowed | Refused
Decide = Callable[[Usage], Decision]


def decide(request: GenerationRequest, usage: Usage, rules: OperatorRules) -> Decision:
    """The first rule that forbids the request, or Allowed."""
    guild_id = request.origin.guild_id
    if guild_id is None and not rules.allow_direct_messages:
        return Refused(RefusedError("direct_messages_off"))
    if (
        guild_id is not None
        and rules.allowed_guild_ids is not None
        and guild_id not in rules.allowed_guild_ids
    ):
        return Refused(RefusedError("guild_not_allowed"))
    ceiling = rules.daily_gpu_seconds
    if ceiling is not None and usage.gpu_seconds_today + RESERVED_SECONDS > ceiling:
        back = int(usage.day_end.timestamp())
        return Refused(RefusedError("daily_limit", until=back))
    return Allowed()
