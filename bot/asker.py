"""Who asks, from where, and what the bot could see of it in the interaction: no Discord objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.rules.people import Person
from bot.runs.request import Origin


@dataclass(frozen=True, slots=True)
class Asker:
    """`channel_ids` are the channel, its parent and its category, for rules that exempt channels.

    `can_post` tells whether the bot could post in another channel of the same server.
    """

    person: Person
    origin: Origin
    channel_ids: frozenset[int]
    can_post: Callable[[int], bool]
