"""Whether a message in a channel is one of ours, found again after a crash. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import discord

from bot.messages.buttons import PATTERN, Action, custom_id
from bot.messages.parts import Part


def tells(message: discord.Message, key: str, part: Part | None) -> bool:
    """Whether a message without files is this part; without a part, whether it tells this run's end."""
    found = set(marks(message.components))
    if part is None:
        return custom_id(key, Action.AGAIN) in found
    view = part.layout or part.view
    if view is None:
        return message.content == part.content
    meant = set(marks(view.walk_children()))
    buttons = {mark for mark in meant if PATTERN.fullmatch(mark)}
    return (buttons or meant) <= found


def marks(components: Iterable[Any]) -> Iterator[str]:
    """What a message is known by: its buttons' custom_ids and its texts."""
    for component in components:
        for name in ("custom_id", "content"):
            mark = getattr(component, name, None)
            if mark:
                yield mark
        yield from marks(getattr(component, "children", ()))
