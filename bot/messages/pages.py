"""A list in pages that are counted from 0; its buttons carry the page that they lead to. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from discord import ButtonStyle
from discord.ui import ActionRow, Button, LayoutView, TextDisplay

from bot.strings import say


def page_layout(
    name: str,
    lines: Sequence[str],
    page: int,
    *,
    more: bool,
    turns: tuple[str, str] = ("queue_back", "queue_on"),
) -> LayoutView:
    """`name` begins the custom_ids, and the codes of the heading and of the word that there is nothing."""
    layout = LayoutView(timeout=None)
    layout.add_item(TextDisplay("\n".join([say(f"{name}_heading"), *(lines or [say(f"{name}_none")])])))
    if page or more:
        back, on = turns
        layout.add_item(
            ActionRow(
                _turn(name, back, max(page - 1, 0), enabled=page > 0),
                _turn(name, on, page + 1, enabled=more),
            )
        )
    return layout


def _turn(name: str, label: str, page: int, *, enabled: bool) -> Button[LayoutView]:
    return Button(
        label=say(label), style=ButtonStyle.secondary, custom_id=f"{name}:{page}", disabled=not enabled
    )
