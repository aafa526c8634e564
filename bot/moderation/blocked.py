"""Who is blocked on a server, as moderators see it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from discord import ButtonStyle
from discord.ui import ActionRow, Button, LayoutView, TextDisplay

from bot.messages.text import quoted
from bot.store.blocks import BlockedPerson
from bot.words import say

BLOCKED_SHOWN = 10
PATTERN = re.compile(r"blocked:(?P<page>\d{1,6})")
_REASON = 100


def blocked_layout(blocked: Sequence[BlockedPerson], page: int, *, more: bool) -> LayoutView:
    """One page, counted from 0; the buttons carry the page they lead to."""
    layout = LayoutView(timeout=None)
    lines = [_line(one) for one in blocked] or [say("blocked_none")]
    layout.add_item(TextDisplay("\n".join([say("blocked_heading"), *lines])))
    if page or more:
        layout.add_item(
            ActionRow(
                _button("record_newer", max(page - 1, 0), enabled=page > 0),
                _button("record_older", page + 1, enabled=more),
            )
        )
    return layout


def _line(one: BlockedPerson) -> str:
    at = int(one.created_at.timestamp())
    parts = [say("blocked_line", person=one.user_id, by=one.created_by, at=at)]
    parts.append(
        say("blocked_until_line", until=int(one.until.timestamp())) if one.until else say("blocked_open")
    )
    if one.reason:
        parts.append(say("record_reason", text=quoted(one.reason, _REASON)))
    return " · ".join(parts)


def _button(label: str, page: int, *, enabled: bool) -> Button[LayoutView]:
    return Button(
        label=say(label), style=ButtonStyle.secondary, custom_id=f"blocked:{page}", disabled=not enabled
    )
