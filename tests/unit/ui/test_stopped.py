"""Views and forms are sent stopped, so that discord.py keeps none of them."""

from __future__ import annotations

from discord.ui import Button, TextDisplay

from bot.ui.forms import form_modal
from bot.ui.message_parts import layout_of, view_of


async def test_views_and_forms_are_stopped() -> None:
    for made in (
        layout_of(TextDisplay("text")),
        form_modal("id", "x" * 50, []),
        view_of([[Button(label="press")]]),
    ):
        assert made.is_finished()


async def test_items_can_be_added_to_a_stopped_layout() -> None:
    layout = layout_of()
    layout.add_item(TextDisplay("text"))
    assert layout.is_finished()
    assert len(layout.children) == 1
