"""The roles of a process. By default, one process does everything; `ROLES` and shards split the work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A part of the bot's work.

    GATEWAY receives and answers interactions. WEB receives ComfyDeploy's webhooks. MESSENGER posts results
    and updates status messages. RECONCILE submits runs, polls silent ones and deletes expired data.
    """

    GATEWAY = "gateway"
    WEB = "web"
    MESSENGER = "messenger"
    RECONCILE = "reconcile"


ALL_ROLES = frozenset(Role)
# The roles that call Discord or ComfyDeploy; a process with WEB alone needs neither key.
CALLING_ROLES = ALL_ROLES - {Role.WEB}


@dataclass(frozen=True, slots=True)
class Shards:
    """The share of Discord's events that one process receives: shards `ids` out of `count`."""

    count: int
    ids: tuple[int, ...]
