"""What settings refer to, as it is at this moment: the server's roles and channels, the deployments. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bot.moderation.words import NotApplied
from bot.rules import ServerRules


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPlace:
    """The review channel as Discord has it: what the bot may do there, and whether reviewers see it."""

    missing: tuple[str, ...] = ()  # permissions the bot lacks, by Discord's names
    reviewers_see: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
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
    review: ReviewPlace | None = None
    manages_server: bool = True
    automod_unread: tuple[NotApplied, ...] = ()
    automod_away: bool = False
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gone:
    """What rules still name and what is no longer there."""

    roles: frozenset[int] = frozenset()
    channels: frozenset[int] = frozenset()
    deployments: frozenset[str] = frozenset()
    gpus: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.roles or self.channels or self.deployments or self.gpus)


def gone(rules: ServerRules, around: Surroundings) -> Gone:
    """GPUs are compared with those that some deployment offers."""
    approval, budgets = rules.approval, rules.budgets
    channels = {approval.review_channel_id} - {None}
    return Gone(
        roles=frozenset(_roles(rules)) - around.role_ids,
        channels=frozenset(channel for channel in channels if channel) - around.channel_ids,
        deployments=(approval.deployments | rules.deployment_roles.keys()) - around.deployments.keys(),
        gpus=frozenset(approval.gpus | rules.gpu_roles.keys() | budgets.gpu_weights.keys())
        - set(around.gpus),
    )


def _roles(rules: ServerRules) -> Iterator[int]:
    if rules.reviewer_role_id is not None:
        yield rules.reviewer_role_id
    yield from rules.approval.exempt_roles
    yield from rules.budgets.roles
    for roles in (*rules.gpu_roles.values(), *rules.deployment_roles.values()):
        yield from roles
