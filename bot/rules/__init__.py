"""The rules of one server, as its moderators set them with `/settings`. Pure; stored as JSON.

Every field has a default, so that rules written by an older version are read by a newer one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

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
