"""The panel's buttons and selects, made alike everywhere. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from discord import ButtonStyle, ChannelType, Object, SelectOption
from discord.ui import ActionRow, Button, ChannelSelect, Item, LayoutView, RoleSelect, Select, TextDisplay

from bot.domain.settings_table import Control, Section
from bot.domain.settings_values import MANY
from bot.domain.text import shorten, visible
from bot.strings import say

Items = Iterator[Item[LayoutView]]
# So many selects of 25 for one list: more would pass the 40 components of a message.
_PAGES = 4
_OPTION = 100


def button(
    section: Section, name: str, arg: str = "", *, label: str = "", style: ButtonStyle = ButtonStyle.secondary
) -> Button[Any]:
    control = Control(section, name, arg)
    return Button(
        label=say(label or f"settings_button_{section.value}_{name}"),
        style=style,
        custom_id=control.custom_id,
        id=control.number,
    )


def captioned(section: Section, name: str, select: Item[Any], **params: object) -> Items:
    """A placeholder is hidden once something is chosen, so what a select is for stands above it."""
    yield TextDisplay(say(f"settings_caption_{section.value}_{name}", **params))
    yield ActionRow(select)


def role_select(
    section: Section,
    name: str,
    arg: str = "",
    *,
    chosen: Collection[int] = (),
    known: Collection[int],
    most: int = MANY,
    least: int = 0,
) -> RoleSelect[Any]:
    """Prefilled with what is still there: Discord refuses a default that is gone."""
    present = [Object(role) for role in sorted(chosen) if role in known][:most]
    control = Control(section, name, arg)
    select: RoleSelect[Any] = RoleSelect(
        custom_id=control.custom_id,
        id=control.number,
        placeholder=say("settings_choose_roles" if most > 1 else "settings_choose_role"),
        min_values=least,
        max_values=most,
        default_values=present,
    )
    return select


def channel_select(
    section: Section, name: str, chosen: int | None, known: Collection[int]
) -> ChannelSelect[Any]:
    """Text channels, where a card can be posted and found again."""
    control = Control(section, name)
    select: ChannelSelect[Any] = ChannelSelect(
        custom_id=control.custom_id,
        id=control.number,
        placeholder=say("settings_choose_channel"),
        min_values=0,
        max_values=1,
        channel_types=[ChannelType.text, ChannelType.news],
        default_values=[Object(chosen)] if chosen is not None and chosen in known else [],
    )
    return select


def option(value: str, label: str, *, description: str | None = None, chosen: bool = False) -> SelectOption:
    return SelectOption(
        value=value,
        label=shorten(visible(label), _OPTION),
        description=shorten(description, _OPTION) if description else None,
        default=chosen,
    )


def choice(section: Section, name: str, options: Sequence[SelectOption], placeholder: str) -> Select[Any]:
    """One of a few."""
    control = Control(section, name)
    select: Select[Any] = Select(
        custom_id=control.custom_id, id=control.number, placeholder=say(placeholder), options=list(options)
    )
    return select


def pages(
    section: Section,
    name: str,
    values: Sequence[str],
    make: Callable[[str], SelectOption],
    *,
    several: bool,
    most: int = _PAGES,
) -> Items:
    """A list of any length as selects of 25, the caption above the first; nothing for an empty one."""
    for page in range(min(most, -(-len(values) // MANY))):
        options = [make(value) for value in values[page * MANY : (page + 1) * MANY]]
        control = Control(section, name, str(page))
        select: Select[Any] = Select(
            custom_id=control.custom_id,
            id=control.number,
            placeholder=say("settings_choose_several" if several else "settings_choose_one"),
            min_values=0 if several else 1,
            max_values=len(options) if several else 1,
            options=options,
        )
        if page == 0:
            yield from captioned(section, name, select)
        else:
            yield ActionRow(select)
