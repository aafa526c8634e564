"""The select or button for each kind of field in `/settings`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any

from discord import ButtonStyle, ChannelType, Object, SelectOption
from discord.ui import ActionRow, Button, ChannelSelect, Item, LayoutView, RoleSelect, Select, TextDisplay
from discord.ui.select import BaseSelect

from bot.domain.settings.fields import Field, Kind, Section, fields_of
from bot.domain.settings.forms import fits_in_form
from bot.domain.settings.rules_and_defaults import Ids, RoleBudget, RolesFor, ServerRules
from bot.domain.settings.values import SELECT_LIMIT, SettingsContext, page_of, token
from bot.domain.settings.without_effect import unmet
from bot.domain.text import sentence_case, shorten, strip_invisible
from bot.strings import SENTENCES, say
from bot.ui.custom_ids import SettingId
from bot.ui.settings.text import counted

# The GPU or deployment whose roles a section shows: its kind (a value of `Names`), then its name.
Selection = tuple[str, str] | None
Items = Iterator[Item[LayoutView]]

# Discord's limit for the characters of an option.
_OPTION_LENGTH = 100


def section_controls(
    section: Section, rules: ServerRules, context: SettingsContext, selection: Selection
) -> Items:
    """Draw the section's fields; those that have no effect now are disabled. Adjacent buttons share a row."""
    items = (item for field in fields_of(section) for item in _field(field, rules, context, selection))
    for are_buttons, group in groupby(items, key=lambda item: isinstance(item, Button)):
        if are_buttons:
            yield ActionRow(*group)
        else:
            yield from group


def _field(field: Field, rules: ServerRules, context: SettingsContext, selection: Selection) -> Items:
    needed, value = unmet(field, rules, context), field.value(rules)
    if needed is None:
        return _DRAW[field.kind](field, value, context, selection)
    # A selection without an effect isn't shown, and a field with several selects shows only the first.
    shown = value if field.kind in (Kind.CHOICE, Kind.NUMBER) else frozenset()
    return _disabled(list(_DRAW[field.kind](field, shown, context, selection))[:2], say(needed))


def _disabled(items: Sequence[Item[LayoutView]], reason: str) -> Items:
    """Disable the controls, and add the reason to their caption."""
    if not items:
        return
    captions = [item.content for item in items if isinstance(item, TextDisplay)]
    yield TextDisplay("\n".join([*captions, f"-# {reason}"]))
    for item in items:
        if isinstance(item, TextDisplay):
            continue
        for part in item.children if isinstance(item, ActionRow) else (item,):
            if isinstance(part, Button | BaseSelect):
                part.disabled = True
        yield item


def _choice(field: Field, value: object, _context: SettingsContext, _selection: Selection) -> Items:
    options = []
    for choice, stored in field.choices:
        code = f"settings_{field.name}_{choice}"
        options.append(option(choice, say(code), description=_about(code), chosen=stored == value))
    yield from _captioned(field, choice_select(_id(field), options, "settings_choose_one"))


def _about(code: str) -> str | None:
    """Return the sentence that explains a choice, or None if its label says everything."""
    return say(f"{code}_about") if f"{code}_about" in SENTENCES else None


def _channel(field: Field, channel: int | None, context: SettingsContext, _selection: Selection) -> Items:
    """Draw a select of text and announcement channels, where the bot can post and find messages."""
    setting = _id(field)
    select: ChannelSelect[Any] = ChannelSelect(
        custom_id=setting.encode(),
        id=setting.number,
        placeholder=say("settings_choose_channel"),
        min_values=0,
        max_values=1,
        channel_types=[ChannelType.text, ChannelType.news],
        default_values=[Object(channel)] if channel is not None and channel in context.channel_ids else [],
    )
    yield from _captioned(field, select)


def _role(field: Field, role: int | None, context: SettingsContext, _selection: Selection) -> Items:
    return _captioned(field, _role_select(_id(field), context, {role}, limit=1))


def _roles(field: Field, roles: Ids, context: SettingsContext, _selection: Selection) -> Items:
    return _captioned(field, _role_select(_id(field), context, roles))


def _names(field: Field, chosen: Collection[str], context: SettingsContext, _selection: Selection) -> Items:
    offered = context.offered(field.names)
    options = [option(name, title, chosen=name in chosen) for name, title in offered.items()]
    return _pages(field, field.name, options, any_number=True)


def _roles_by_name(
    field: Field, roles_by_name: RolesFor, context: SettingsContext, selection: Selection
) -> Items:
    """Draw a select of GPUs or deployments. If one is selected, also draw a select of the roles that may use
    it. If it is limited to roles, a button opens it to everybody.
    """
    offered = context.offered(field.names)
    options = [
        option(
            name,
            title,
            description=_open_to(roles_by_name.get(name)),
            chosen=selection == (field.names, name),
        )
        for name, title in offered.items()
    ]
    yield from _pages(field, field.names, options)
    names, name = selection or ("", "")
    if names != field.names or name not in offered:
        return
    select = _role_select(_id(field, token(name)), context, roles_by_name.get(name, ()))
    yield from _captioned(field, select, "roles", about=offered[name])
    if name in roles_by_name:
        setting = SettingId(field.section, f"{field.names}_open", token(name))
        yield button(setting, label="settings_button_open")


def _open_to(roles: Ids | None) -> str:
    if roles is None:
        return sentence_case(say("settings_everybody"))
    if not roles:
        return sentence_case(say("settings_nobody"))
    return counted("settings_roles_count", len(roles))


def _number(field: Field, _value: object, context: SettingsContext, _selection: Selection) -> Items:
    """Draw a button that opens the form, or a select of the role that the form is about."""
    if field.per_role:
        yield from _captioned(field, _role_select(_id(field), context, limit=1, at_least=1))
    else:
        yield button(_id(field))


def _number_by_name(
    field: Field, weights: Mapping[str, float], context: SettingsContext, _selection: Selection
) -> Items:
    options = [
        option(name, title, description=say("settings_counts", factor=f"{weights.get(name, 1):g}"))
        for name, title in context.offered(field.names).items()
    ]
    return _pages(field, field.name, options)


def _unlimited(
    field: Field, budgets: Mapping[int, RoleBudget], context: SettingsContext, selection: Selection
) -> Items:
    unlimited = frozenset(role for role, budget in budgets.items() if budget.unlimited)
    return _roles(field, unlimited, context, selection)


def _words(field: Field, words: Sequence[str], _context: SettingsContext, _selection: Selection) -> Items:
    """Draw the list's buttons. If the list is too long for a form, words can only be added and removed."""
    yield button(SettingId(field.section, "add"), style=ButtonStyle.primary)
    if words:
        yield button(_id(field) if fits_in_form(words) else SettingId(field.section, "remove"))
        yield button(SettingId(field.section, "show"))


_DRAW: Mapping[Kind, Callable[[Field, Any, SettingsContext, Selection], Items]] = MappingProxyType(
    {
        Kind.CHOICE: _choice,
        Kind.CHANNEL: _channel,
        Kind.ROLE: _role,
        Kind.ROLES: _roles,
        Kind.NAMES: _names,
        Kind.ROLES_BY_NAME: _roles_by_name,
        Kind.NUMBER: _number,
        Kind.NUMBERS: _number,
        Kind.NUMBER_BY_NAME: _number_by_name,
        Kind.UNLIMITED: _unlimited,
        Kind.WORDS: _words,
    }
)


def _id(field: Field, arg: str = "") -> SettingId:
    return SettingId(field.section, field.name, arg)


def _captioned(field: Field, select: Item[Any], name: str = "", **params: object) -> Items:
    """Put a caption above a select, because its placeholder disappears once something is chosen."""
    yield TextDisplay(say(f"settings_caption_{field.section.value}_{name or field.name}", **params))
    yield ActionRow(select)


def _role_select(
    setting: SettingId,
    context: SettingsContext,
    chosen: Collection[int | None] = (),
    *,
    limit: int = SELECT_LIMIT,
    at_least: int = 0,
) -> RoleSelect[Any]:
    """Draw a select of roles. The chosen ones are preselected, except deleted ones, which Discord refuses."""
    present = [Object(role) for role in sorted(context.role_ids.intersection(chosen))][:limit]
    select: RoleSelect[Any] = RoleSelect(
        custom_id=setting.encode(),
        id=setting.number,
        placeholder=say("settings_choose_roles" if limit > 1 else "settings_choose_role"),
        min_values=at_least,
        max_values=limit,
        default_values=present,
    )
    return select


def _pages(field: Field, name: str, options: Sequence[SelectOption], *, any_number: bool = False) -> Items:
    """Draw selects of 25 options each, with a caption above the first, or nothing if there are no options."""
    for page in range(field.pages):
        shown = page_of(options, str(page))
        if not shown:
            return
        setting = SettingId(field.section, name, str(page))
        select: Select[Any] = Select(
            custom_id=setting.encode(),
            id=setting.number,
            placeholder=say("settings_choose_several" if any_number else "settings_choose_one"),
            min_values=0 if any_number else 1,
            max_values=len(shown) if any_number else 1,
            options=list(shown),
        )
        if page == 0:
            yield from _captioned(field, select, name)
        else:
            yield ActionRow(select)


def button(setting: SettingId, *, label: str = "", style: ButtonStyle = ButtonStyle.secondary) -> Button[Any]:
    return Button(
        label=say(label or f"settings_button_{setting.section}_{setting.name}"),
        style=style,
        custom_id=setting.encode(),
        id=setting.number,
    )


def option(value: str, label: str, *, description: str | None = None, chosen: bool = False) -> SelectOption:
    return SelectOption(
        value=value,
        label=shorten(strip_invisible(label), _OPTION_LENGTH),
        description=shorten(description, _OPTION_LENGTH) if description else None,
        default=chosen,
    )


def choice_select(setting: SettingId, options: Sequence[SelectOption], placeholder: str) -> Select[Any]:
    select: Select[Any] = Select(
        custom_id=setting.encode(), id=setting.number, placeholder=say(placeholder), options=list(options)
    )
    return select
