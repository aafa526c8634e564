"""The rules of one server, as its moderators set them with `/settings`. Pure; stored as JSON.

Every field has a default, so that rules written by an older version are read by a newer one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.domain.errors import InputError

Ids = frozenset[int]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
# Deployment or GPU -> the roles that may use it; what is not named is open to everybody.
RolesFor = dict[str, Ids]


class ApprovalMode(StrEnum):
    """Whose requests wait for a moderator."""

    OFF = "off"
    EVERYBODY = "everybody"
    WITHOUT_ROLES = "without_roles"  # everybody who has none of `exempt_roles`
    SELECTED = "selected"  # requests for one of `deployments` or `gpus`


class Spoiler(StrEnum):
    """Which results are hidden behind a click."""

    NEVER = "never"
    NOT_AGE_RESTRICTED = "not_age_restricted"  # in channels that are not marked age-restricted
    ALWAYS = "always"


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Approval(_Rules):
    """`hours` until a request that nobody decided expires."""

    mode: ApprovalMode = ApprovalMode.OFF
    review_channel_id: int | None = None
    exempt_roles: Ids = frozenset()
    deployments: frozenset[str] = frozenset()
    gpus: frozenset[str] = frozenset()
    hours: Annotated[int, Field(ge=1, le=24 * 14)] = 24


class Budget(_Rules):
    """What one person, or the whole server, may use. None: no limit. A day is a day in UTC."""

    at_once: Count | None = 3
    waiting: Count | None = 10
    runs_a_day: Count | None = None
    gpu_seconds_a_day: Count | None = None


class RoleBudget(_Rules):
    """What having a role changes: more or less than `person`, or no limit at all."""

    at_once: Count | None = None
    runs_a_day: Count | None = None
    gpu_seconds_a_day: Count | None = None
    unlimited: bool = False


class Budgets(_Rules):
    """`gpu_weights`: what a second on a GPU counts, 1 where none is set."""

    person: Budget = Budget()
    server: Budget = Budget(at_once=None, waiting=None)
    roles: dict[int, RoleBudget] = Field(default_factory=dict)
    gpu_weights: dict[str, Annotated[float, Field(gt=0, le=100)]] = Field(default_factory=dict)


class Words(_Rules):
    """`automod`: apply the server's own AutoMod keyword rules; None: where the bot was given the right to
    read them. `blocked`: the bot's own list beside them."""

    automod: bool | None = None
    blocked: tuple[Annotated[str, Field(min_length=1, max_length=60)], ...] = Field(
        default=(), max_length=500
    )


class People(_Rules):
    """Minimum ages in days; 0 asks for none."""

    account_days: Annotated[int, Field(ge=0, le=3650)] = 0
    member_days: Annotated[int, Field(ge=0, le=3650)] = 0


class ServerRules(_Rules):
    """Everything a server can set. A moderator is who has Manage Server or `reviewer_role_id`."""

    reviewer_role_id: int | None = None
    approval: Approval = Approval()
    budgets: Budgets = Budgets()
    words: Words = Words()
    people: People = People()
    gpu_roles: RolesFor = Field(default_factory=dict)
    deployment_roles: RolesFor = Field(default_factory=dict)
    spoiler: Spoiler = Spoiler.NEVER
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 365


def parse_stored_rules(stored: object) -> tuple[ServerRules, tuple[str, ...]]:
    """The readable rest, defaults for what is not, and where that was (`approval.hours`, or `.` for all)."""
    if not isinstance(stored, Mapping):
        return ServerRules(), (".",)
    kept: Any = deepcopy(dict(stored))
    lost: list[str] = []
    while True:
        try:
            return ServerRules.model_validate(kept), tuple(lost)
        except ValidationError as error:
            # The last first: taking one entry out of a list moves those behind it.
            for problem in reversed(error.errors(include_url=False)):
                place = [part for part in problem["loc"] if part != "[key]"]
                lost.append(".".join(str(part) for part in _without(kept, place)))


def _without(kept: Any, place: Sequence[int | str]) -> Sequence[int | str]:
    """Takes out what stands at the place, or the nearest thing around it; returns where that was."""
    context = kept
    path: list[int | str] = []
    for part in place[:-1]:
        inner = _inside(context, part)
        if not isinstance(inner, dict | list):
            return _drop(kept, context, [*path, part])
        context = inner
        path.append(part)
    return _drop(kept, context, [*path, place[-1]])


def _inside(context: Any, part: int | str) -> Any:
    if isinstance(context, list):
        return context[part] if isinstance(part, int) and part < len(context) else None
    return context.get(part, context.get(str(part)))


def _drop(kept: Any, context: Any, path: list[int | str]) -> list[int | str]:
    part = path[-1]
    if isinstance(context, list) and isinstance(part, int) and part < len(context):
        del context[part]
    elif isinstance(context, dict) and (part in context or str(part) in context):
        context.pop(part, context.pop(str(part), None))
    else:  # not where it was reported (a key, a set): its whole section goes
        kept.pop(path[0], None)
        return path[:1]
    return path


def diff_rules(before: ServerRules, after: ServerRules) -> dict[str, object]:
    """Field -> {from, to}, or {added, removed} for lists: `{"approval.hours": {"from": 24, "to": 48}}`."""
    old = dict(_leaves(before.model_dump(mode="json")))
    new = dict(_leaves(after.model_dump(mode="json")))
    places = [*old, *(place for place in new if place not in old)]
    return {
        place: _change(old.get(place), new.get(place))
        for place in places
        if _comparable(old.get(place)) != _comparable(new.get(place))
    }


def _leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _comparable(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, list) else value


def _change(old: Any, new: Any) -> dict[str, object]:
    if not isinstance(old, list) and not isinstance(new, list):
        return {"from": old, "to": new}
    was, now = old or [], new or []
    return {
        "added": [entry for entry in now if entry not in was],
        "removed": [entry for entry in was if entry not in now],
    }


def with_values(rules: ServerRules, values: Mapping[str, Any]) -> ServerRules:
    """With values at dotted paths (`approval.hours`). Raises InputError for the first out of range."""
    tree = rules.model_dump()
    for path, value in values.items():
        *above, name = path.split(".")
        branch = tree
        for part in above:
            branch = branch[part]
        branch[name] = value
    try:
        return ServerRules.model_validate(tree)
    except ValidationError as error:
        raise _explained(error) from error


def _explained(error: ValidationError) -> InputError:
    problem = error.errors(include_url=False)[0]
    context = problem.get("ctx", {})
    lowest, highest = context.get("ge", context.get("gt")), context.get("le")
    shown = str(problem["input"])[:40]
    if lowest is not None:
        code = "settings_too_small" if "ge" in context else "settings_not_above"
        return InputError(code, value=shown, limit=lowest)
    if highest is not None:
        return InputError("settings_too_large", value=shown, limit=highest)
    if problem["type"] == "string_too_long":
        return InputError("settings_word_too_long", word=shown, limit=context.get("max_length"))
    if problem["type"] == "too_long":
        return InputError("settings_too_many_words", limit=context.get("max_length"))
    return InputError("settings_not_offered", value=shown)
