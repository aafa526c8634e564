"""Who is blocked on a server, as moderators see it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from discord.ui import LayoutView

from bot.domain.records import BlockedPerson
from bot.domain.text import quoted
from bot.messages.pages import page_layout
from bot.strings import say

BLOCKED_SHOWN = 10
PATTERN = re.compile(r"blocked:(?P<page>\d{1,6})")
_REASON = 100


def blocked_layout(blocked: Sequence[BlockedPerson], page: int, *, more: bool) -> LayoutView:
    """One page, counted from 0."""
    lines = [_line(one) for one in blocked]
    return page_layout("blocked", lines, page, more=more, turns=("record_newer", "record_older"))


def _line(one: BlockedPerson) -> str:
    at = int(one.created_at.timestamp())
    parts = [say("blocked_line", person=one.user_id, by=one.created_by, at=at)]
    parts.append(
        say("blocked_until_line", until=int(one.until.timestamp())) if one.until else say("blocked_open")
    )
    if one.reason:
        parts.append(say("record_reason", text=quoted(one.reason, _REASON)))
    return " · ".join(parts)
