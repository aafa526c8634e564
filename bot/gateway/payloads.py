"""Read what was pressed, selected and typed, and turn the pages of lists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import discord
from discord.ui import LayoutView

from bot.deployments.inputs import AttachedFile
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


def form_values(interaction: Interaction) -> dict[str, str | tuple[AttachedFile, ...]]:
    """Return a form's values by custom_id.

    A select without a choice gives an empty string, and an upload without files is left out. A checkbox gives
    `yes` or `no`.
    """
    data = data_of(interaction)
    attachments = data.get("resolved", {}).get("attachments", {})
    found: dict[str, str | tuple[AttachedFile, ...]] = {}
    for field in _fields(data.get("components", ())):
        values = field.get("values") or []
        if field["type"] == _FILE_UPLOAD:
            files = tuple(_attached_file(attachments[value]) for value in values if value in attachments)
            if files:
                found[field["custom_id"]] = files
        elif field["type"] == _CHECKBOX:
            found[field["custom_id"]] = "yes" if field.get("value") else "no"
        else:
            found[field["custom_id"]] = str(field.get("value") or next(iter(values), ""))
    return found


def submitted_values(interaction: Interaction) -> dict[str, tuple[str, ...]]:
    """Return all values of each part of a form by custom_id; a ticked checkbox has the value `yes`."""
    found = {}
    for field in _fields(data_of(interaction).get("components", ())):
        value = field.get("value")
        values = ["yes" if value is True else str(value)] if value else field.get("values") or []
        found[str(field["custom_id"])] = tuple(map(str, values))
    return found


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
