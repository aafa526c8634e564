"""Faults of routes that apply once, a few times, or until they are removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.fakediscord.errors import Json


class Effect(StrEnum):
    STATUS = "status"
    """Answer `status` without executing the request."""
    STATUS_AFTER = "status_after"
    """Execute the request, but answer `status`, as a proxy does that timed out."""
    RATE_LIMIT = "rate_limit"
    """Answer 429 with `seconds` as retry_after."""
    DROP_BEFORE = "drop_before"
    """Close the connection before reading the body."""
    LOSE_REPLY = "lose_reply"
    """Execute the request, and close the connection without an answer."""
    DELAY_BEFORE = "delay_before"
    DELAY_AFTER = "delay_after"


@dataclass(frozen=True, slots=True)
class Fault:
    effect: Effect
    status: int = 0
    seconds: float = 0.0

    @classmethod
    def answer(cls, status: int) -> Fault:
        return cls(Effect.STATUS, status=status)

    @classmethod
    def drop_before(cls) -> Fault:
        return cls(Effect.DROP_BEFORE)

    @classmethod
    def lose_reply(cls) -> Fault:
        return cls(Effect.LOSE_REPLY)

    @classmethod
    def delay(cls, seconds: float, *, after: bool = False) -> Fault:
        return cls(Effect.DELAY_AFTER if after else Effect.DELAY_BEFORE, seconds=seconds)


@dataclass(slots=True)
class Rule:
    """A fault of a route, which applies so many `times`; None means until removed."""

    route: str
    fault: Fault
    times: int | None
    where: Callable[[Json], bool] | None
    used: int = 0


class Faults:
    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def add(
        self,
        route: str,
        fault: Fault,
        *,
        times: int | None = 1,
        where: Callable[[Json], bool] | None = None,
    ) -> Rule:
        """Add a fault to a route such as "POST /channels/{channel_id}/messages", or to all routes by "*".

        It applies to requests whose path parameters satisfy `where`, and if `times` is None until `clear()`.
        """
        rule = Rule(route, fault, times, where)
        self.rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        """Remove a fault. Do nothing if it was used up or cleared."""
        self.rules = [each for each in self.rules if each is not rule]

    def clear(self) -> None:
        self.rules.clear()

    def draw(self, route: str, params: Json) -> Fault | None:
        """Return the fault of the first rule that applies to a request, or None."""
        for rule in self.rules:
            if rule.route in (route, "*") and (rule.where is None or rule.where(params)):
                rule.used += 1
                if rule.used == rule.times:
                    self.remove(rule)
                return rule.fault
        return None
