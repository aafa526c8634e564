"""A message that is ready to be sent, and the components of messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from discord import Message
from discord.ui import LayoutView, View

from bot.domain.files import PreparedFile


def walk(components: Iterable[Any]) -> Iterator[Any]:
    """Yield the components of a message at every depth."""
    for each in components:
        yield each
        yield from walk(filter(None, (getattr(each, "accessory", None), *getattr(each, "children", ()))))


def component_ids(message: Message) -> set[int]:
    return {each.id for each in walk(message.components) if each.id is not None}


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to send, with a layout or with content. `mention` and `role` are whom it may ping."""

    layout: LayoutView | None = None
    content: str | None = None
    view: View | None = None
    files: tuple[PreparedFile, ...] = ()
    mention: int | None = None
    role: int | None = None
