"""Lists in pages: the command's answer, and the buttons that turn it. Both are the reader's alone."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord.ui import Button, DynamicItem, Item, LayoutView

from cogs.asker import Interaction
from cogs.items import button_of, errors_told

# What stands on a page, for whoever asks or presses.
Layout = Callable[[Interaction, int], Awaitable[LayoutView]]


async def show_list(interaction: Interaction, layout: Layout) -> None:
    """Answers with the first page."""
    view = await layout(interaction, 0)
    view.stop()  # answered by custom_id
    await interaction.response.send_message(view=view, ephemeral=True)


def page_button(pattern: re.Pattern[str], layout: Layout) -> type[DynamicItem[Button[Any]]]:
    """The class of the buttons whose custom_id tells a `page`, to be added to the bot."""

    class PageButton(DynamicItem[Button[Any]], template=pattern):
        def __init__(self, button: Button[Any], page: int) -> None:
            super().__init__(button)
            self.page = page

        @classmethod
        async def from_custom_id(
            cls, _interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
        ) -> PageButton:
            return cls(button_of(item, match), int(match["page"]))

        async def callback(self, interaction: discord.Interaction[Any]) -> None:
            async with errors_told(interaction):
                view = await layout(interaction, self.page)
                view.stop()  # answered by custom_id
                await interaction.response.edit_message(view=view)

    return PageButton
