"""What settings refer to, as it is at this moment: the server's roles and channels, the deployments. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from bot.domain.errors import InputError, RefusedError
from bot.domain.rules import ApprovalMode, ServerRules, with_values
from bot.domain.text import strip_invisible


def without_missing(
    rules: ServerRules, _arg: str, _values: Sequence[str], context: SettingsContext
) -> ServerRules:
    """Without what is gone. What was limited to roles that are all gone stays closed, and so does approval
    without its channel: a deleted role must not open anything."""
    lost = missing_references(rules, context)
    budgets = rules.budgets
    reviewer = rules.reviewer_role_id
    return with_values(
        rules,
        {
            "reviewer_role_id": None if reviewer in lost.roles else reviewer,
            "approval.review_channel_id": _tidy_channel(rules, context),
            "approval.exempt_roles": rules.approval.exempt_roles - lost.roles,
            "approval.deployments": rules.approval.deployments - lost.deployments,
            "approval.gpus": rules.approval.gpus - lost.gpus,
            "budgets.roles": {role: row for role, row in budgets.roles.items() if role not in lost.roles},
            "budgets.gpu_weights": {
                gpu: factor for gpu, factor in budgets.gpu_weights.items() if gpu not in lost.gpus
            },
            "gpu_roles": _left(rules.gpu_roles, lost.gpus, lost.roles),
            "deployment_roles": _left(rules.deployment_roles, lost.deployments, lost.roles),
        },
    )


def _tidy_channel(rules: ServerRules, context: SettingsContext) -> int | None:
    channel = rules.approval.review_channel_id
    idle = rules.approval.mode is ApprovalMode.OFF
    return None if idle and channel not in context.channel_ids else channel


def _left(
    roles_for: Mapping[str, frozenset[int]], names: frozenset[str], roles: frozenset[int]
) -> dict[str, frozenset[int]]:
    return {name: allowed - roles for name, allowed in roles_for.items() if name not in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewChannel:
    """The review channel as Discord has it: what the bot may do there, and whether reviewers see it."""

    missing: tuple[str, ...] = ()  # permissions the bot lacks, by Discord's names
    reviewers_see: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsContext:
    """`role_ids` without @everyone. `deployments` by name, each with its title.

    `review` is None where no channel is set or it is gone. `automod_unread` is what of AutoMod's rules can't
    be applied, `automod_away` says that they can't be read at the moment. `unreadable` are settings that
    can't be read.
    """

    server: str = ""
    role_ids: frozenset[int] = frozenset()
    channel_ids: frozenset[int] = frozenset()
    deployments: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    review: ReviewChannel | None = None
    manages_server: bool = True
    automod_unread: tuple[NotApplied, ...] = ()
    automod_away: bool = False
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingReferences:
    """What rules still name and what is no longer there."""

    roles: frozenset[int] = frozenset()
    channels: frozenset[int] = frozenset()
    deployments: frozenset[str] = frozenset()
    gpus: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.roles or self.channels or self.deployments or self.gpus)


def missing_references(rules: ServerRules, context: SettingsContext) -> MissingReferences:
    """GPUs are compared with those that some deployment offers."""
    approval, budgets = rules.approval, rules.budgets
    channels = {approval.review_channel_id} - {None}
    return MissingReferences(
        roles=frozenset(_roles(rules)) - context.role_ids,
        channels=frozenset(channel for channel in channels if channel) - context.channel_ids,
        deployments=(approval.deployments | rules.deployment_roles.keys()) - context.deployments.keys(),
        gpus=frozenset(approval.gpus | rules.gpu_roles.keys() | budgets.gpu_weights.keys())
        - set(context.gpus),
    )


def _roles(rules: ServerRules) -> Iterator[int]:
    if rules.reviewer_role_id is not None:
        yield rules.reviewer_role_id
    yield from rules.approval.exempt_roles
    yield from rules.budgets.roles
    for roles in (*rules.gpu_roles.values(), *rules.deployment_roles.values()):
        yield from roles


# Discord's selects take so many.
MANY = 25


def whole_number(text: str) -> int | None:
    """As people type it: `1,000`, `1 000`; nothing is None. Raises InputError."""
    plain = text.replace(",", "").replace(" ", "").replace("\u00a0", "").replace("_", "")
    if not plain:
        return None
    digits = plain.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 15:
        raise InputError("settings_not_integer", value=text[:40])
    return int(plain)


def decimal_number(text: str) -> float | None:
    """With a point or a comma; nothing is None. Raises InputError."""
    plain = text.strip().replace(",", ".")
    if not plain:
        return None
    try:
        number = float(plain)
    except ValueError:
        raise InputError("settings_not_number", value=text[:40]) from None
    if not isfinite(number):
        raise InputError("settings_not_number", value=text[:40])
    return number


def needed(number: int | None) -> int:
    """Where leaving it empty means nothing. Raises InputError."""
    if number is None:
        raise InputError("settings_number_needed")
    return number


def lines(text: str) -> tuple[str, ...]:
    """One entry a line, without empty lines, invisible characters and repeats, sorted."""
    entries = {strip_invisible(line) for line in text.splitlines()}
    return tuple(sorted(entries - {""}, key=lambda entry: (entry.casefold(), entry)))


def known_ids(values: Iterable[str], known: frozenset[int], refusal: str) -> frozenset[int]:
    """Ids that are there now. Raises RefusedError with the code otherwise."""
    found = set()
    for value in values:
        if not (value.isascii() and value.isdigit()) or int(value) not in known:
            raise RefusedError(refusal)
        found.add(int(value))
    return frozenset(found)


def known_names(values: Sequence[str], known: Iterable[str], refusal: str) -> frozenset[str]:
    """Names that are offered now. Raises RefusedError with the code otherwise."""
    offered = set(known)
    if not offered.issuperset(values):
        raise RefusedError(refusal)
    return frozenset(values)


def one(values: Sequence[str]) -> str:
    """The single value of a select. Raises RefusedError for anything else, which no client sends."""
    if len(values) != 1:
        raise RefusedError("settings_stale")
    return values[0]


@dataclass(frozen=True, slots=True)
class NotApplied:
    """Something of the rule that can't be applied here; `code` says why, for `/settings`."""

    code: str
    rule: str
