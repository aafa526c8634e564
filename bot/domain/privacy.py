"""Records of the data that a user can read and erase with `/privacy`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from bot.domain.runs import Run


@dataclass(frozen=True, slots=True)
class OwnBlock:
    """A block as shown to the blocked user, without the moderator's name."""

    guild_id: int
    reason: str | None
    until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OwnPreset:
    """A preset that a user created, for themselves or for a server (`guild_id`)."""

    guild_id: int | None
    name: str
    deployment: str
    inputs: Mapping[str, object]
    gpu: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OwnDefault:
    """A channel's default preset that a user set."""

    guild_id: int
    channel_id: int
    name: str
    set_at: datetime | None


@dataclass(frozen=True, slots=True)
class OwnUsage:
    """What a user used on a day (UTC) on a server. `weighted_seconds` are what counts for the budgets."""

    day: date
    guild_id: int | None
    runs: int
    seconds: float
    weighted_seconds: float


@dataclass(frozen=True, slots=True)
class Erased:
    """The result of an erasure: the numbers of batches whose data was erased, and of deleted presets.

    `left` has the first run of each batch that kept its data, because it is active or has a pending message.
    """

    emptied: int
    left: Sequence[Run] = field(default=())
    presets: int = 0
