"""What buttons, selects and forms that are known by their custom_id have in common.

discord.py remembers none of them, so they work after any restart.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import discord
from discord.ui import Button, Item

from bot.client import tell_error
from cogs.asker import Interaction


@asynccontextmanager
async def errors_told(interaction: discord.Interaction[Any]) -> AsyncIterator[None]:
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


def chosen_of(interaction: discord.Interaction[Any]) -> Sequence[str]:
    """The values of the select that was used."""
    return data_of(interaction).get("values") or ()


def sent_form(interaction: Interaction, pattern: re.Pattern[str]) -> re.Match[str] | None:
    """The custom_id of a form that was sent, where it is one of ours."""
    if interaction.type is not discord.InteractionType.modal_submit:
        return None
    return pattern.fullmatch(str(data_of(interaction).get("custom_id", "")))


def custom_ids(components: Iterable[Any]) -> Iterator[str]:
    """Of a message's components, at every depth."""
    for component in components:
        yield getattr(component, "custom_id", None) or ""
        yield from custom_ids(getattr(component, "children", ()))
