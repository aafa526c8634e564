"""What buttons, selects and forms that are known by their custom_id have in common.

discord.py remembers none of them, so they work after any restart.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import discord
from discord.ui import Button, DynamicItem, Item, LayoutView

from bot.deployments.revision import FormValue
from bot.deployments.validation import AttachedFile
from bot.gateway.client import tell_error
from bot.gateway.interactions import Interaction


@asynccontextmanager
async def reporting_errors(interaction: discord.Interaction[Any]) -> AsyncIterator[None]:
    """For what never reaches the tree's handler: the errors of views and of listeners."""
    try:
        yield
    except Exception as error:
        await tell_error(interaction, error)


def button_of(item: Item[Any], match: re.Match[str]) -> Button[Any]:
    """The pressed button; a forged press may name one on something else."""
    return item if isinstance(item, Button) else Button(custom_id=match.string)


def data_of(interaction: discord.Interaction[Any]) -> Mapping[str, Any]:
    """What the press or the form is, as Discord sends it."""
    return interaction.data or {}


def selected_values(interaction: discord.Interaction[Any]) -> Sequence[str]:
    """The values of the select that was used."""
    return data_of(interaction).get("values") or ()


def submitted_form(interaction: Interaction, pattern: re.Pattern[str]) -> re.Match[str] | None:
    """The custom_id of a form that was sent, where it is one of ours."""
    if interaction.type is not discord.InteractionType.modal_submit:
        return None
    return pattern.fullmatch(str(data_of(interaction).get("custom_id", "")))


def custom_ids(components: Iterable[Any]) -> Iterator[str]:
    """Of a message's components, at every depth."""
    for component in components:
        yield getattr(component, "custom_id", None) or ""
        yield from custom_ids(getattr(component, "children", ()))


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
            async with reporting_errors(interaction):
                view = await layout(interaction, self.page)
                view.stop()  # answered by custom_id
                await interaction.response.edit_message(view=view)

    return PageButton


_FILE_UPLOAD = 19


def text_values(interaction: Interaction) -> dict[str, str]:
    """By custom_id, in their order."""
    return {name: value for name, value in form_values(interaction).items() if isinstance(value, str)}


def form_values(interaction: Interaction) -> dict[str, FormValue]:
    """By custom_id. A select left alone is empty text; an upload left alone is not there."""
    data = data_of(interaction)
    attachments = data.get("resolved", {}).get("attachments", {})
    typed: dict[str, FormValue] = {}
    for field in _fields(data.get("components", ())):
        values = field.get("values") or []
        if field["type"] == _FILE_UPLOAD:
            files = tuple(_given(attachments[value]) for value in values if value in attachments)
            if files:
                typed[field["custom_id"]] = files
        else:
            typed[field["custom_id"]] = str(field.get("value") or next(iter(values), ""))
    return typed


def _given(attachment: Mapping[str, Any]) -> AttachedFile:
    return AttachedFile(
        attachment["url"], attachment["filename"], attachment.get("content_type"), attachment["size"]
    )


def _fields(components: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for component in components:
        if "custom_id" in component:
            yield component
        yield from _fields(component.get("components") or [c for c in (component.get("component"),) if c])
