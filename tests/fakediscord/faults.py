"""Faults of routes that apply once, a few times, or until they are removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.fakediscord.errors import Json


class Effect(StrEnum):
    STATUS = "status"
    """Answer `status`, as a proxy does."""
    ERROR = "error"
    """Answer with Discord's error `code`."""
    RATE_LIMIT = "rate limit"
    """Answer 429 with `seconds` as retry_after."""
    DROP = "drop"
    """Close the connection without an answer."""
    DELAY = "delay"
    """Wait so many `seconds`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens instead of the request's execution, or `after` it."""

    effect: Effect
    status: int = 0
    code: int = 0
    seconds: float = 0.0
    after: bool = False

    @classmethod
    def answer(cls, status: int) -> Fault:
        return cls(Effect.STATUS, status=status)

    @classmethod
    def refuse(cls, code: int) -> Fault:
        return cls(Effect.ERROR, code=code)

    @classmethod
    def drop_before(cls) -> Fault:
        return cls(Effect.DROP)

    @classmethod
    def lose_reply(cls) -> Fault:
        return cls(Effect.DROP, after=True)

    @classmethod
    def delay(cls, seconds: float, *, after: bool = False) -> Fault:
        return cls(Effect.DELAY, seconds=seconds, after=after)


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
