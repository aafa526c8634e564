"""Build layouts, views and forms.

They are stopped, because their buttons and forms are answered by custom_id alone. discord.py keeps each view
that is sent without having been stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from discord import Colour, Message
from discord.ui import Button, Container, Item, Label, LayoutView, Modal, View

from bot.domain.text import shorten

# Discord's limit for the characters of a form's title.
_TITLE = 45


def layout_of(*items: Item[LayoutView]) -> LayoutView:
    """Build a layout, to which items can still be added."""
    layout = LayoutView(timeout=None)
    for item in items:
        layout.add_item(item)
    layout.stop()
    return layout


def framed(colour: Colour | None, *items: Item[LayoutView]) -> LayoutView:
    """Build a layout with all items in one container, with `colour` as its accent colour, if any."""
    return layout_of(Container(*items, accent_colour=colour))


def component_ids(message: Message) -> set[int]:
    """Return the ids of a message's components and of their children."""
    parents: list[object] = [*message.components]
    found = [*parents, *(child for each in parents for child in getattr(each, "children", ()))]
    return {id for each in found if (id := getattr(each, "id", None)) is not None}


def modal_of(custom_id: str, title: str, *labels: Label[Modal]) -> Modal:
    """Build a form. A title that is too long for Discord is shortened."""
    modal = Modal(title=shorten(title, _TITLE), custom_id=custom_id, timeout=None)
    for label in labels:
        modal.add_item(label)
    modal.stop()
    return modal


def view_of(rows: Sequence[Sequence[Button[Any]]]) -> View:
    """Return the buttons as a view for a classic message."""
    view = View(timeout=None)
    for number, row in enumerate(rows):
        for button in row:
            button.row = number
            view.add_item(button)
    view.stop()
    return view
