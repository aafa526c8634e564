"""Whether a message in a channel is one of ours, found again after a crash. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import discord

from bot.messages.buttons import PATTERN, Action, custom_id
from bot.messages.parts import Part

# They come and go with the pictures that could be had and with what the deployments take by now.
_PASSING = (Action.USE, Action.VARY)


def tells(message: discord.Message, key: str, part: Part | None) -> bool:
    """Whether a message is this part; without a part, whether it tells this run's end without files.

    By its buttons, where it has any: what its files are like, and whether there are any, differs from try to
    try. Else by the names of its files, which carry the run key, but for their endings; else by its text.
    """
    found = set(marks(message.components))
    files = {_stem(attachment.filename) for attachment in message.attachments}
    if part is None:
        return not files and custom_id(key, Action.AGAIN) in found
    view = part.layout or part.view
    meant = set(marks(view.walk_children())) if view is not None else set()
    passing = {custom_id(key, action) for action in _PASSING}
    buttons = {mark for mark in meant if PATTERN.fullmatch(mark)} - passing
    if buttons:
        return buttons <= found
    if part.files:
        return not files.isdisjoint(_stem(file.filename) for file in part.files)
    return not files and (meant <= found if view is not None else message.content == part.content)


def _stem(filename: str) -> str:
    return filename.rpartition(".")[0]


def marks(components: Iterable[Any]) -> Iterator[str]:
    """What a message is known by: its buttons' custom_ids and its texts."""
    for component in components:
        for name in ("custom_id", "content"):
            mark = getattr(component, name, None)
            if mark:
                yield mark
        yield from marks(getattr(component, "children", ()))
