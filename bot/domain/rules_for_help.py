"""Work out what a server's rules mean for one member."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.domain.budgets import Limits, Usage, limits_of
from bot.domain.presets import Preset
from bot.domain.requests import Member
from bot.domain.settings.rules_and_defaults import ApprovalMode, Budget, RolesFor, ServerRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The names of all deployments, of the age-restricted ones, and of the GPUs to choose from."""

    deployments: tuple[str, ...] = ()
    age_restricted: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The rules that apply to a member in a channel.

    With `always_reviewed`, each of the member's requests waits for approval. Otherwise only requests for the
    reviewed deployments and GPUs do. The closed deployments and GPUs are those that the member's roles don't
    allow. `server` holds the server's limits, or None outside servers. `default_has_gap` means that a typed
    prompt becomes part of the channel default's prompt.
    """

    usage: Usage
    limits: Limits
    server: Budget | None
    always_reviewed: bool
    reviewed_deployments: tuple[str, ...]
    reviewed_gpus: tuple[str, ...]
    closed_deployments: tuple[str, ...]
    closed_gpus: tuple[str, ...]
    age_restricted: tuple[str, ...]
    age_restricted_channel: bool
    private_results: bool
    channel_default: Preset | None = None
    default_has_gap: bool = False


def standing(
    person: Member,
    usage: Usage,
    rules: ServerRules,
    offer: Offer,
    *,
    in_server: bool,
    age_restricted_channel: bool,
) -> Standing:
    """Return the rules that apply to a member.

    Outside servers, only the default limits and the age restrictions apply.
    """
    approval = rules.approval
    selected = approval.mode is ApprovalMode.SELECTED
    not_exempt = not person.role_ids & approval.exempt_roles
    return Standing(
        usage=usage,
        limits=limits_of(person, rules),
        server=rules.budgets.server if in_server else None,
        always_reviewed=approval.mode is ApprovalMode.EVERYBODY
        or (approval.mode is ApprovalMode.WITHOUT_ROLES and not_exempt),
        reviewed_deployments=_among(offer.deployments, approval.deployments) if selected else (),
        reviewed_gpus=_among(offer.gpus, approval.gpus) if selected else (),
        closed_deployments=_closed(offer.deployments, rules.deployment_roles, person),
        closed_gpus=_closed(offer.gpus, rules.gpu_roles, person),
        age_restricted=offer.age_restricted,
        age_restricted_channel=age_restricted_channel,
        private_results=in_server and rules.private_results,
    )


def _among(names: Iterable[str], chosen: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in chosen)


def _closed(names: Iterable[str], roles_for: RolesFor, person: Member) -> tuple[str, ...]:
    return tuple(name for name in names if name in roles_for and not roles_for[name] & person.role_ids)
