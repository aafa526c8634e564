"""The panel of `/settings` and its forms, within the limits of a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from discord import ButtonStyle, ChannelType, Colour, Object, SelectOption, TextStyle
from discord.ui import (
    ActionRow,
    Button,
    ChannelSelect,
    Checkbox,
    Item,
    Label,
    LayoutView,
    Modal,
    RoleSelect,
    Section,
    Select,
    TextDisplay,
    TextInput,
)

from bot.domain.errors import InputError, InputErrors
from bot.domain.settings import kinds
from bot.domain.settings.fields import (
    FORM_LIMIT,
    Change,
    FormBox,
    Key,
    keys_of,
    missing_references,
    offered_sections,
    section_lines,
    summary,
    token_of,
)
from bot.domain.settings.kinds import SELECT_LIMIT, Control
from bot.domain.settings.rules_and_defaults import RESULTS, WORDS, ServerRules
from bot.domain.settings.values import Names, SettingsContext
from bot.domain.text import escape_line, listed, shorten, shorten_words, strip_invisible
from bot.strings import say
from bot.ui.custom_ids import SettingId
from bot.ui.settings.warnings import warnings
from bot.ui.views import framed, modal_of

# Discord's limits: for all texts in a message, and for the texts of an option and of a text input.
_MESSAGE_LENGTH, _OPTION_LENGTH, _TEXT_LENGTH = 4000, 100, 4000
_NUMBER_LENGTH = 20
# Our limits, which leave space for the sections.
_NEWS_LENGTH, _WARNINGS_LENGTH, _CHANGE_LENGTH = 800, 800, 250


@dataclass(frozen=True, slots=True)
class Panel:
    """What the panel shows: the overview, or a section and the key in it whose form has several parts.

    `saved` are the changes of an edit, and `mistakes` the sentences about what was refused, which the button
    with the custom_id `again` opens again. `turn` differs each time the panel is shown.
    """

    section: kinds.Section | None = None
    key: Key = None
    saved: Sequence[Change] | None = None
    mistakes: Sequence[str] = ()
    again: SettingId | None = None
    parts: int = 0
    turn: int = 0


def panel_layout(panel: Panel, rules: ServerRules, context: SettingsContext) -> LayoutView:
    """Build the panel within 40 components and 4,000 characters; long lists are cut."""
    section = panel.section
    title = f"Settings of {escape_line(context.server, 60)}" if section is None else section.title
    top = TextDisplay[LayoutView]("\n".join([f"### {title}", *_news(panel)]))
    warned = _lines([f"⚠️ {each}" for each in warnings(rules, context)], _WARNINGS_LENGTH)
    if section is None:
        space = _MESSAGE_LENGTH - len(top.content) - len(warned)
        body = [*_overview(rules, context, space), *([TextDisplay[LayoutView](warned)] if warned else [])]
    else:
        body = list(_page(panel, section, rules, context, _MESSAGE_LENGTH - len(top.content)))
    buttons = [_button(panel.again, "Edit again", ButtonStyle.primary)] if panel.again is not None else []
    if section is not None:
        buttons.append(_button(SettingId("home", "open"), "Back"))
    elif missing_references(rules, context):
        buttons.append(_button(SettingId("home", "tidy"), "Clean up"))
    return framed(_colour(panel, warned), top, *body, *([ActionRow(*buttons)] if buttons else []))


def _news(panel: Panel) -> Iterator[str]:
    told = [f"❌ {sentence}" for sentence in panel.mistakes]
    for label, old, new in panel.saved or ():
        told.append(
            f"✅ **{label}:** {shorten_words(old, _CHANGE_LENGTH)} → {shorten_words(new, _CHANGE_LENGTH)}"
        )
    if panel.saved is not None and not told:
        told = ["Nothing changed."]
    if told:
        yield _lines(told, _NEWS_LENGTH)


def _colour(panel: Panel, warned: str) -> Colour:
    if panel.mistakes:
        return Colour.red()
    return Colour.green() if panel.saved else Colour.orange() if warned else Colour.blurple()


def _overview(rules: ServerRules, context: SettingsContext, space: int) -> Iterator[Item[LayoutView]]:
    sections = offered_sections(rules)
    for section in sections:
        text = summary(section, rules, context)
        if section == RESULTS and context.default_presets:
            defaults = context.default_presets.items()
            named = listed([f"{escape_line(name, 32)} in <#{channel}>" for channel, name in defaults], 3)
            text += f" · Default presets: {named}"
        text = shorten_words(text, space // len(sections) - len(section.title) - 10)
        change = _button(SettingId(section.name, "open"), "Change")
        yield Section[LayoutView](f"**{section.title}**\n-# {text}", accessory=change)


def _page(
    panel: Panel, section: kinds.Section, rules: ServerRules, context: SettingsContext, space: int
) -> Iterator[Item[LayoutView]]:
    lines = [f"**{label}:** {value}" for label, value in section_lines(section, rules, context)]
    shown = [line if section == WORDS else shorten_words(line, _CHANGE_LENGTH) for line in lines]
    names = keys_of(section)
    if names is None or panel.key is not None:
        buttons = [_part(section, panel.key, part, panel.parts) for part in range(panel.parts)]
        if section == WORDS and rules.words.blocked:
            buttons.append(_button(SettingId(section.name, "show"), "Download the list"))
        controls: list[Item[LayoutView]] = [
            ActionRow[LayoutView](*buttons[n : n + FORM_LIMIT]) for n in range(0, len(buttons), FORM_LIMIT)
        ]
    else:
        controls = [ActionRow[LayoutView](select) for select in _key_selects(section, names, context, panel)]
    yield TextDisplay(_lines(shown or [section.none], space))
    yield from controls


def _part(section: kinds.Section, key: Key, part: int, parts: int) -> Button[Any]:
    label = "Change" if parts == 1 else f"Change {part + 1} of {parts}"
    return _button(SettingId(section.name, "form", f"{part}:{token_of(key)}"), label)


def _key_selects(
    section: kinds.Section, names: Names, context: SettingsContext, panel: Panel
) -> Iterator[Item[LayoutView]]:
    """Yield selects that open the form of a key.

    Clients don't send the same choice twice, unless the select has another id. So it can also be emptied, for
    somebody who closed the form.
    """
    more: dict[str, Any] = {
        "placeholder": f"Choose a {'GPU' if names is Names.GPU else names}",
        "min_values": 0,
        "max_values": 1,
    }
    if names is Names.ROLE:
        yield RoleSelect(custom_id=SettingId(section.name, "key").encode(), id=panel.turn, **more)
        return
    options = [
        SelectOption(value=str(name), label=_label(context.deployments.get(str(name), str(name))))
        for name in context.known(names)
    ]
    for page in range(0, len(options), SELECT_LIMIT):
        custom_id = SettingId(section.name, "key", str(page)).encode()
        shown = options[page : page + SELECT_LIMIT]
        yield Select(custom_id=custom_id, id=panel.turn + page, options=shown, **more)


def error_lines(error: InputError) -> list[str]:
    """Return a line for each mistake, with the user's text escaped."""
    found = []
    for each in error.errors if isinstance(error, InputErrors) else [error]:
        typed = {k: escape_line(v, 60) if isinstance(v, str) else v for k, v in each.params.items()}
        found.append(f"**{each.params['label']}:** {say(each.code, **typed)}")
    return found


def form_parts(boxes: Sequence[FormBox]) -> list[Sequence[FormBox]]:
    """Split the boxes of a form into what fits in one."""
    return [boxes[n : n + FORM_LIMIT] for n in range(0, len(boxes), FORM_LIMIT)]


def settings_modal(
    section: kinds.Section, key: Key, part: int, title: str, boxes: Sequence[FormBox]
) -> Modal:
    """Build a form; `title` names its key."""
    form_id = SettingId(section.name, "form", f"{part}:{token_of(key)}")
    heading = f"{section.title}: {strip_invisible(title)}" if title else section.title
    return modal_of(form_id.encode(), heading, *map(_form_label, boxes))


def _form_label(box: FormBox) -> Label[Modal]:
    return Label(
        text=box.label,
        description=box.box.about or box.field.setting.about or None,
        component=_component(box),
    )


def _component(form_box: FormBox) -> Item[Modal]:
    box = form_box.box
    shown = box.shown if form_box.typed is None else form_box.typed
    optional: dict[str, Any] = {"custom_id": form_box.custom_id, "required": False}
    chosen: dict[str, Any] = {**optional, "min_values": 0, "max_values": box.most}
    if box.control is Control.CHECK:
        return Checkbox(custom_id=form_box.custom_id, default=bool(shown))
    if box.control is Control.CHOICE:
        options = [
            SelectOption(
                value=option.value,
                label=_label(option.label),
                description=option.about or None,
                default=option.value in shown,
            )
            for option in box.options
        ]
        one = {"min_values": 1, "required": True} if box.most == 1 and shown else {}
        return Select(options=options, **chosen | one)
    if box.control is Control.ROLES:
        return RoleSelect(default_values=[Object(int(role)) for role in shown], **chosen)
    if box.control is Control.CHANNEL:
        types = [ChannelType.text, ChannelType.news]
        return ChannelSelect(
            channel_types=types, default_values=[Object(int(each)) for each in shown], **chosen
        )
    is_long = box.control is Control.PARAGRAPH
    return TextInput(
        style=TextStyle.paragraph if is_long else TextStyle.short,
        default="".join(shown) or None,
        max_length=_TEXT_LENGTH if is_long else _NUMBER_LENGTH,
        **optional,
    )


def _button(id: SettingId, label: str, style: ButtonStyle = ButtonStyle.secondary) -> Button[Any]:
    return Button(label=label, style=style, custom_id=id.encode())


def _label(text: str) -> str:
    return shorten(strip_invisible(text), _OPTION_LENGTH)


def _lines(lines: Sequence[str], limit: int) -> str:
    """Join as many whole lines as fit. If some don't fit, end with an ellipsis."""
    kept: list[str] = []
    remaining = limit - 2
    for line in lines:
        if len(line) + 1 > remaining:
            return "\n".join([*kept, "…"])
        kept.append(line)
        remaining -= len(line) + 1
    return "\n".join(kept)
