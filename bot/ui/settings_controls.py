"""The controls of each section. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from discord import ButtonStyle, ChannelType, Object, SelectOption
from discord.ui import ActionRow, Button, ChannelSelect, Item, LayoutView, RoleSelect, Select, TextDisplay

from bot.domain.rules import ApprovalMode, ServerRules, Spoiler
from bot.domain.settings_table import AUTOMOD, Section, fits, token
from bot.domain.settings_values import MANY, SettingsContext
from bot.domain.text import shorten, strip_invisible
from bot.strings import say
from bot.ui.custom_ids import SettingId
from bot.ui.settings_text import counted

# `chosen`: which GPU or deployment a section is about, as (name of the control, name).
Selection = tuple[str, str] | None
Items = Iterator[Item[LayoutView]]
Make = Callable[[ServerRules, SettingsContext, Selection], Items]


def _approval(rules: ServerRules, context: SettingsContext, _chosen: Selection) -> Items:
    here, approval = Section.APPROVAL, rules.approval
    channel = channel_select(here, "channel", approval.review_channel_id, context.channel_ids)
    yield from captioned(here, "channel", channel)
    reviewer = {rules.reviewer_role_id} - {None}
    reviewers = [role for role in reviewer if role is not None]
    yield from captioned(
        here, "reviewer", role_select(here, "reviewer", chosen=reviewers, known=context.role_ids, limit=1)
    )
    modes = [
        option(mode.value, say(f"settings_mode_{mode.value}"), chosen=mode is approval.mode)
        for mode in ApprovalMode
    ]
    yield from captioned(here, "mode", choice(here, "mode", modes, "settings_choose_one"))
    if approval.mode is ApprovalMode.WITHOUT_ROLES:
        exempt = role_select(here, "exempt", chosen=approval.exempt_roles, known=context.role_ids)
        yield from captioned(here, "exempt", exempt)
    if approval.mode is ApprovalMode.SELECTED:
        yield from _selected(rules, context)
    yield ActionRow(button(here, "hours"))


def _selected(rules: ServerRules, context: SettingsContext) -> Items:
    here, approval = Section.APPROVAL, rules.approval
    yield from pages(
        here,
        "deployments",
        tuple(context.deployments),
        lambda name: option(name, context.deployments[name], chosen=name in approval.deployments),
        several=True,
    )
    yield from pages(
        here,
        "gpus",
        context.gpus,
        lambda gpu: option(gpu, gpu, chosen=gpu in approval.gpus),
        several=True,
        limit=2,
    )


def _words(rules: ServerRules, _around: SettingsContext, _chosen: Selection) -> Items:
    here = Section.WORDS
    options = [
        option(value, say(f"settings_apply_{value}"), chosen=rules.words.automod is setting)
        for value, setting in AUTOMOD.items()
    ]
    yield from captioned(here, "automod", choice(here, "automod", options, "settings_choose_one"))
    buttons: list[Button[LayoutView]] = [button(here, "add", style=ButtonStyle.primary)]
    if rules.words.blocked:
        buttons += [button(here, "list")] if fits(rules) else [button(here, "remove")]
        buttons.append(button(here, "show"))
    yield ActionRow(*buttons)


def _budgets(rules: ServerRules, context: SettingsContext, _chosen: Selection) -> Items:
    here, budgets = Section.BUDGETS, rules.budgets
    yield ActionRow(button(here, "person"), button(here, "server"))
    yield from captioned(here, "role", role_select(here, "role", known=context.role_ids, limit=1, least=1))
    unlimited = [role for role, row in budgets.roles.items() if row.unlimited]
    yield from captioned(
        here, "unlimited", role_select(here, "unlimited", chosen=unlimited, known=context.role_ids)
    )
    yield from pages(
        here,
        "weight",
        context.gpus,
        lambda gpu: option(
            gpu, gpu, description=say("settings_counts", factor=f"{budgets.gpu_weights.get(gpu, 1):g}")
        ),
        several=False,
    )


def _gpus(rules: ServerRules, context: SettingsContext, chosen: Selection) -> Items:
    kind, name = chosen or ("", "")
    here = Section.GPUS
    yield from pages(
        here,
        "gpu",
        context.gpus,
        lambda gpu: option(
            gpu, gpu, description=_open_to(rules.gpu_roles, gpu), chosen=(kind, name) == ("gpu", gpu)
        ),
        several=False,
    )
    if kind == "gpu" and name in context.gpus:
        yield from _roles_for("gpu", name, name, rules.gpu_roles, context)
    yield from pages(
        here,
        "deployment",
        tuple(context.deployments),
        lambda deployment: option(
            deployment,
            context.deployments[deployment],
            description=_open_to(rules.deployment_roles, deployment),
            chosen=(kind, name) == ("deployment", deployment),
        ),
        several=False,
    )
    if kind == "deployment" and name in context.deployments:
        yield from _roles_for("deployment", name, context.deployments[name], rules.deployment_roles, context)


def _open_to(roles_for: Mapping[str, frozenset[int]], name: str) -> str:
    if name not in roles_for:
        return say("settings_everybody")
    allowed = roles_for[name]
    return counted("settings_roles_count", len(allowed)) if allowed else say("settings_nobody")


def _roles_for(
    kind: str, name: str, title: str, roles_for: Mapping[str, frozenset[int]], context: SettingsContext
) -> Items:
    here, arg = Section.GPUS, token(name)
    allowed = roles_for.get(name, frozenset())
    select = role_select(here, f"{kind}_roles", arg, chosen=allowed, known=context.role_ids)
    yield from captioned(here, "roles", select, about=title)
    if name in roles_for:
        yield ActionRow(button(here, f"{kind}_open", arg, label="settings_button_open"))


def _people(_rules: ServerRules, _around: SettingsContext, _chosen: Selection) -> Items:
    yield ActionRow(button(Section.PEOPLE, "ages"))


def _results(rules: ServerRules, _around: SettingsContext, _chosen: Selection) -> Items:
    options = [
        option(spoiler.value, say(f"settings_spoiler_{spoiler.value}"), chosen=spoiler is rules.spoiler)
        for spoiler in Spoiler
    ]
    here = Section.RESULTS
    yield from captioned(here, "spoiler", choice(here, "spoiler", options, "settings_choose_one"))


def _record(_rules: ServerRules, _around: SettingsContext, _chosen: Selection) -> Items:
    yield ActionRow(button(Section.RECORD, "retention"))


CONTROLS: Mapping[Section, Make] = MappingProxyType(
    {
        Section.APPROVAL: _approval,
        Section.WORDS: _words,
        Section.BUDGETS: _budgets,
        Section.GPUS: _gpus,
        Section.PEOPLE: _people,
        Section.RESULTS: _results,
        Section.RECORD: _record,
    }
)

# So many selects of 25 for one list: more would pass the 40 components of a message.
_PAGES = 4
_OPTION = 100


def button(
    section: Section, name: str, arg: str = "", *, label: str = "", style: ButtonStyle = ButtonStyle.secondary
) -> Button[Any]:
    control = SettingId(section, name, arg)
    return Button(
        label=say(label or f"settings_button_{section.value}_{name}"),
        style=style,
        custom_id=control.encode(),
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
    limit: int = MANY,
    least: int = 0,
) -> RoleSelect[Any]:
    """Prefilled with what is still there: Discord refuses a default that is gone."""
    present = [Object(role) for role in sorted(chosen) if role in known][:limit]
    control = SettingId(section, name, arg)
    select: RoleSelect[Any] = RoleSelect(
        custom_id=control.encode(),
        id=control.number,
        placeholder=say("settings_choose_roles" if limit > 1 else "settings_choose_role"),
        min_values=least,
        max_values=limit,
        default_values=present,
    )
    return select


def channel_select(
    section: Section, name: str, chosen: int | None, known: Collection[int]
) -> ChannelSelect[Any]:
    """Text channels, where a card can be posted and found again."""
    control = SettingId(section, name)
    select: ChannelSelect[Any] = ChannelSelect(
        custom_id=control.encode(),
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
        label=shorten(strip_invisible(label), _OPTION),
        description=shorten(description, _OPTION) if description else None,
        default=chosen,
    )


def choice(section: Section, name: str, options: Sequence[SelectOption], placeholder: str) -> Select[Any]:
    """One of a few."""
    control = SettingId(section, name)
    select: Select[Any] = Select(
        custom_id=control.encode(), id=control.number, placeholder=say(placeholder), options=list(options)
    )
    return select


def pages(
    section: Section,
    name: str,
    values: Sequence[str],
    make: Callable[[str], SelectOption],
    *,
    several: bool,
    limit: int = _PAGES,
) -> Items:
    """A list of any length as selects of 25, the caption above the first; nothing for an empty one."""
    for page in range(min(limit, -(-len(values) // MANY))):
        options = [make(value) for value in values[page * MANY : (page + 1) * MANY]]
        control = SettingId(section, name, str(page))
        select: Select[Any] = Select(
            custom_id=control.encode(),
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
