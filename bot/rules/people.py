"""Who asks, as far as rules need to know: read off the interaction, never fetched. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.rules import ServerRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A member of a server, or a person in direct messages (no roles, no `joined_at`)."""

    id: int
    role_ids: frozenset[int] = frozenset()
    manages_server: bool = False
    created_at: datetime
    joined_at: datetime | None = None

    def is_moderator(self, rules: ServerRules) -> bool:
        """Manage Server, or the server's reviewer role."""
        return self.manages_server or rules.reviewer_role_id in self.role_ids
