"""The presets somebody can use, as a list. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from discord.ui import LayoutView

from bot.domain.requests import NAME_LENGTH, Holder, Preset
from bot.domain.text import quoted
from bot.messages.pages import page_layout
from bot.strings import say

PRESETS_SHOWN = 10
PATTERN = re.compile(r"presets:(?P<page>\d{1,3})")
_TITLE = 60
_VALUES = 60


def presets_layout(
    found: Sequence[Preset], page: int, *, more: bool, title: Callable[[str], str]
) -> LayoutView:
    """One page, counted from 0: one's own by name, then the server's."""
    return page_layout("presets", [_line(preset, title) for preset in found], page, more=more)


def _line(preset: Preset, title: Callable[[str], str]) -> str:
    code = "presets_line_server" if preset.holder is Holder.SERVER else "presets_line"
    line = say(code, name=quoted(preset.name, NAME_LENGTH), title=quoted(title(preset.deployment), _TITLE))
    values = [f"{key}={value}" for key, value in preset.inputs.items()]
    told = ", ".join([*values, *([preset.gpu] if preset.gpu else [])])
    return f"{line}\n-# {quoted(told, _VALUES)}" if told else line
