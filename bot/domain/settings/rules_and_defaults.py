"""The rules of a server, which moderators set with `/settings`. The database stores them as JSON.

Every field has a default, so that rules stored by an older version stay readable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.domain.errors import InputError, InputErrors
from bot.domain.text import QUOTED, shorten
from bot.domain.text.numbers import shown_number

# The limits of a server's own list of words.
WORD_LENGTH, WORD_COUNT = 60, 500
Ids = frozenset[int]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
# Maps a deployment or GPU to the roles that may use it. Everybody may use it if there is no entry.
RolesFor = dict[str, Ids]


class ApprovalMode(StrEnum):
    """Determines which requests need a moderator's approval."""

    OFF = "off"
    EVERYBODY = "everybody"
    WITHOUT_ROLES = "without_roles"  # members without any of `exempt_roles`
    SELECTED = "selected"  # requests for one of `deployments` or `gpus`


class Spoiler(StrEnum):
    """Determines which results are posted as spoilers."""

    NEVER = "never"
    NOT_AGE_RESTRICTED = "not_age_restricted"  # in channels that are not marked age-restricted
    ALWAYS = "always"


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Approval(_Rules):
    """Rules for approval; an undecided request expires after `hours`."""

    mode: ApprovalMode = ApprovalMode.OFF
    review_channel_id: int | None = None
    exempt_roles: Ids = frozenset()
    deployments: frozenset[str] = frozenset()
    gpus: frozenset[str] = frozenset()
    hours: Annotated[int, Field(ge=1, le=24 * 14)] = 24


class Budget(_Rules):
    """Limits of a member or of the whole server; None is unlimited. Days start at midnight UTC."""

    at_once: Count | None = 3
    waiting: Count | None = 10
    runs_a_day: Count | None = None
    gpu_seconds_a_day: Count | None = None


class RoleBudget(_Rules):
    """Limits of members with a role. None keeps the default limit; `unlimited` removes a member's limits."""

    at_once: Count | None = None
    runs_a_day: Count | None = None
    gpu_seconds_a_day: Count | None = None
    unlimited: bool = False


class Budgets(_Rules):
    """All limits of a server. `gpu_weights` holds the weight of a second on each GPU, by default 1."""

    person: Budget = Budget()
    server: Budget = Budget(at_once=None, waiting=None)
    roles: dict[int, RoleBudget] = Field(default_factory=dict)
    gpu_weights: dict[str, Annotated[float, Field(gt=0, le=100)]] = Field(default_factory=dict)


class Words(_Rules):
    """Rules about forbidden words.

    `automod` applies the server's AutoMod keyword rules; None applies them if the bot has the permission to
    read them. `blocked` is the server's own list.
    """

    automod: bool | None = None
    blocked: tuple[Annotated[str, Field(min_length=1, max_length=WORD_LENGTH)], ...] = Field(
        default=(), max_length=WORD_COUNT
    )


class People(_Rules):
    """Minimum ages in days of accounts and memberships; 0 means no minimum."""

    account_days: Annotated[int, Field(ge=0, le=3650)] = 0
    member_days: Annotated[int, Field(ge=0, le=3650)] = 0


class ServerRules(_Rules):
    """All rules of a server. Moderators have Manage Server or the role `reviewer_role_id`.

    Members share their results in the channel `gallery_channel_id`.
    """

    reviewer_role_id: int | None = None
    approval: Approval = Approval()
    budgets: Budgets = Budgets()
    words: Words = Words()
    people: People = People()
    gpu_roles: RolesFor = Field(default_factory=dict)
    deployment_roles: RolesFor = Field(default_factory=dict)
    spoiler: Spoiler = Spoiler.NEVER
    gallery_channel_id: int | None = None
    private_results: bool = False
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 365


def parse_stored_rules(stored: object) -> tuple[ServerRules, tuple[str, ...]]:
    """Parse stored rules. Return them with the paths of the invalid values, which defaults replace.

    The path "." means that `stored` isn't a mapping, so every rule has its default.
    """
    if not isinstance(stored, Mapping):
        return ServerRules(), (".",)
    readable: Any = deepcopy(dict(stored))
    invalid: list[str] = []
    while True:
        try:
            return ServerRules.model_validate(readable), tuple(invalid)
        except ValidationError as error:
            # In reverse order, because deleting a list item moves those behind it.
            for problem in reversed(error.errors(include_url=False)):
                location = [part for part in problem["loc"] if part != "[key]"]
                invalid.append(".".join(str(part) for part in _remove(readable, location)))


def _remove(rules: Any, location: Sequence[int | str]) -> Sequence[int | str]:
    """Remove the value at `location`, or its nearest removable parent, and return the removed path."""
    parent = rules
    path: list[int | str] = []
    for part in location[:-1]:
        inner = _child(parent, part)
        if not isinstance(inner, dict | list):
            return _drop(rules, parent, [*path, part])
        parent = inner
        path.append(part)
    return _drop(rules, parent, [*path, location[-1]])


def _child(parent: Any, part: int | str) -> Any:
    if isinstance(parent, list):
        return parent[part] if isinstance(part, int) and part < len(parent) else None
    return parent.get(part, parent.get(str(part)))


def _drop(rules: Any, parent: Any, path: list[int | str]) -> list[int | str]:
    part = path[-1]
    if isinstance(parent, list) and isinstance(part, int) and part < len(parent):
        del parent[part]
    elif isinstance(parent, dict) and (part in parent or str(part) in parent):
        parent.pop(part, parent.pop(str(part), None))
    else:  # keys and set members have no location of their own: remove the section
        rules.pop(path[0], None)
        return path[:1]
    return path


def diff_rules(before: ServerRules, after: ServerRules) -> dict[str, object]:
    """Return the changes by path: {"from", "to"}, or {"added", "removed"} for lists.

    An example is `{"approval.hours": {"from": 24, "to": 48}}`. A list that didn't exist before the change, or
    doesn't exist after it, has "from" and "to" instead. The difference between an empty and a missing list
    matters, because an empty list of roles permits nobody, but a missing one permits everybody.
    """
    old = dict(_leaves(before.model_dump(mode="json")))
    new = dict(_leaves(after.model_dump(mode="json")))
    paths = [*old, *(path for path in new if path not in old)]
    return {
        path: _change(old.get(path), new.get(path))
        for path in paths
        if _comparable(old.get(path)) != _comparable(new.get(path))
    }


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _comparable(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, list) else value


def _change(old: Any, new: Any) -> dict[str, object]:
    if not isinstance(old, list) or not isinstance(new, list):
        return {"from": old, "to": new}
    return {
        "added": [entry for entry in new if entry not in old],
        "removed": [entry for entry in old if entry not in new],
    }


def with_values(rules: ServerRules, values: Mapping[str, Any]) -> ServerRules:
    """Return the rules with new values at dotted paths (`approval.hours`).

    Raises InputErrors with a mistake for each invalid value; the param `name` is the last part of its path.
    """
    tree = rules.model_dump()
    for path, value in values.items():
        *parents, name = path.split(".")
        branch = tree
        for part in parents:
            branch = branch[part]
        branch[name] = value
    try:
        return ServerRules.model_validate(tree)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        raise InputErrors([_as_input_error(details) for details in mistakes]) from error


def _as_input_error(details: Any) -> InputError:
    context = details.get("ctx", {})
    lowest, highest = context.get("ge", context.get("gt")), context.get("le")
    value, name = details["input"], str(details["loc"][-1])
    shown = shorten(str(shown_number(value) if isinstance(value, int | float) else value), QUOTED)
    if lowest is not None:
        code = "settings_too_small" if "ge" in context else "settings_not_above"
        return InputError(code, value=shown, limit=shown_number(lowest), name=name)
    if highest is not None:
        return InputError("settings_too_large", value=shown, limit=highest, name=name)
    return InputError("settings_not_offered", value=shown, name=name)
