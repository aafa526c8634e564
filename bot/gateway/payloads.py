"""Read what was pressed, selected and typed, and turn the pages of lists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import discord
from discord.ui import LayoutView

from bot.deployments.inputs import AttachedFile
from bot.domain.forms import NO, YES
from bot.gateway.client import Handler
from bot.gateway.interactions import Interaction
from bot.ui.custom_ids import PageId


def data_of(interaction: discord.Interaction[Any]) -> Mapping[str, Any]:
    """Return the payload of a press or a form as Discord sends it."""
    return interaction.data or {}


def selected_values(interaction: discord.Interaction[Any]) -> Sequence[str]:
    """Return the values of the select that was used."""
    return data_of(interaction).get("values") or ()


def custom_ids(components: Iterable[Any]) -> Iterator[str]:
    """Yield the custom_id of each component at every depth, or an empty string for one without it."""
    for component in components:
        yield getattr(component, "custom_id", None) or ""
        yield from custom_ids(getattr(component, "children", ()))


# Builds a page of a list for the user of the interaction.
PageBuilder = Callable[[Interaction, int], Awaitable[LayoutView]]


async def show_list(interaction: Interaction, build: PageBuilder) -> None:
    """Answer a command with the first page."""
    await interaction.response.send_message(view=await build(interaction, 0), ephemeral=True)


def turning(build: PageBuilder) -> Handler[PageId]:
    """Return the handler of the buttons that turn a list's pages."""

    async def turn(interaction: Interaction, id: PageId) -> None:
        await interaction.response.edit_message(view=await build(interaction, id.page))

    return turn


_FILE_UPLOAD, _CHECKBOX = 19, 23


def form_values(interaction: Interaction) -> dict[str, tuple[Any, ...]]:
    """Return what a form holds, by the names of its fields: texts, or uploaded files.

    A checkbox has `yes` or `no`, and an upload without files is left out.
    """
    data = data_of(interaction)
    attachments = data.get("resolved", {}).get("attachments", {})
    found: dict[str, tuple[Any, ...]] = {}
    for field in _fields(data.get("components", ())):
        value = field.get("value")
        values = tuple(map(str, [value] if value else field.get("values") or ()))
        if field["type"] == _CHECKBOX:
            found[field["custom_id"]] = (YES if value else NO,)
        elif field["type"] != _FILE_UPLOAD:
            found[field["custom_id"]] = values
        elif files := tuple(_attached_file(attachments[each]) for each in values if each in attachments):
            found[field["custom_id"]] = files
    return found


def typed_values(interaction: Interaction) -> dict[str, str | tuple[AttachedFile, ...]]:
    """Return what a form holds as the options of a command hold it: a text, or files."""
    return {
        name: "".join(values) if all(isinstance(each, str) for each in values) else values
        for name, values in form_values(interaction).items()
    }


def _attached_file(attachment: Mapping[str, Any]) -> AttachedFile:
    return AttachedFile(
        attachment["url"],
        attachment["filename"],
        attachment.get("content_type"),
        attachment["size"],
        measured=bool(attachment.get("width") and attachment.get("height")),
    )


def _fields(components: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for component in components:
        if "custom_id" in component:
            yield component
        yield from _fields(component.get("components") or [c for c in (component.get("component"),) if c])
