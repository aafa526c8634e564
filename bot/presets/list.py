"""The presets somebody can use, as a list. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from discord import ButtonStyle
from discord.ui import ActionRow, Button, LayoutView, TextDisplay

from bot.messages.text import quoted
from bot.presets.inputs import NAME_LENGTH
from bot.store.presets import Holder, Preset
from bot.words import say

PRESETS_SHOWN = 10
PATTERN = re.compile(r"presets:(?P<page>\d{1,3})")
_TITLE = 60
_VALUES = 60


def presets_layout(
    found: Sequence[Preset], page: int, *, more: bool, title: Callable[[str], str]
) -> LayoutView:
    """One page, counted from 0: one's own by name, then the server's."""
    layout = LayoutView(timeout=None)
    lines = [_line(preset, title) for preset in found] or [say("presets_none")]
    layout.add_item(TextDisplay("\n".join([say("presets_heading"), *lines])))
    if page or more:
        layout.add_item(
            ActionRow(
                _leaf("queue_back", max(page - 1, 0), enabled=page > 0),
                _leaf("queue_on", page + 1, enabled=more),
            )
        )
    return layout


def _line(preset: Preset, title: Callable[[str], str]) -> str:
    code = "presets_line_server" if preset.holder is Holder.SERVER else "presets_line"
    line = say(code, name=quoted(preset.name, NAME_LENGTH), title=quoted(title(preset.deployment), _TITLE))
    values = [f"{key}={value}" for key, value in preset.inputs.items()]
    told = ", ".join([*values, *([preset.gpu] if preset.gpu else [])])
    return f"{line}\n-# {quoted(told, _VALUES)}" if told else line


def _leaf(label: str, page: int, *, enabled: bool) -> Button[LayoutView]:
    return Button(
        label=say(label), style=ButtonStyle.secondary, custom_id=f"presets:{page}", disabled=not enabled
    )
