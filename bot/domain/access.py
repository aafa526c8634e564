"""Check who may use the bot where: the operator's limits, blocks, the pause, and moderators."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.budgets import Usage
from bot.domain.errors import RefusedError, RefusedForNow
from bot.domain.requests import Member
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.text import escape_line

_REASON = 500


@dataclass(frozen=True, slots=True)
class OperatorRules:
    """The operator's limits. None means no limit."""

    allowed_guild_ids: frozenset[int] | None = None
    allow_direct_messages: bool = False
    allow_user_installs: bool = False
    daily_gpu_seconds: float | None = None
    max_waiting_per_server: int | None = None


def check_availability(guild_id: int | None, operator: OperatorRules, *, user_install: bool) -> None:
    """Raise RefusedError if the operator doesn't offer the bot in this server or conversation."""
    if user_install and not operator.allow_user_installs:
        raise RefusedError("user_installs_off")
    allowed = operator.allowed_guild_ids
    if guild_id is not None and allowed is not None and guild_id not in allowed:
        raise RefusedError("guild_not_allowed")


def check_not_blocked(usage: Usage) -> None:
    """Raise RefusedError if the user is blocked."""
    if usage.block is not None:
        until = usage.block.until
        code = "blocked_until" if until else "blocked"
        raise RefusedError(
            code,
            reason=escape_line(usage.block.reason or "-", _REASON),
            until=int(until.timestamp()) if until else 0,
        )


def check_pause(usage: Usage) -> None:
    """Raise RefusedForNow if the bot is paused."""
    if usage.paused is not None:
        raise RefusedForNow("paused", reason=usage.paused)


def check_moderator(guild_id: int | None, person: Member, rules: ServerRules) -> int:
    """Return the server's id. Raises RefusedError outside servers and for members who aren't moderators."""
    if guild_id is None:
        raise RefusedError("server_only")
    if not person.is_moderator(rules):
        raise RefusedError("not_a_moderator")
    return guild_id
