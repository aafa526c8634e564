"""The panel of `/settings` and its forms, within the limits of a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from discord import ButtonStyle, Colour, TextStyle
from discord.ui import (
    ActionRow,
    Button,
    Container,
    Item,
    Label,
    LayoutView,
    Modal,
    Separator,
    TextDisplay,
    TextInput,
)
from discord.ui.select import BaseSelect

from bot.domain.errors import BotError, InputError, InputErrors
from bot.domain.settings.fields import FIELDS, Kind, Section, SettingControl, resolve
from bot.domain.settings.forms import Box, form_of
from bot.domain.settings.missing_references import missing_references
from bot.domain.settings.rules_and_defaults import ApprovalMode, ServerRules
from bot.domain.settings.values import SettingsContext, token
from bot.domain.settings.without_effect import nothing_waits
from bot.domain.text import escape_line, strip_invisible
from bot.strings import say
from bot.ui.custom_ids import SettingId
from bot.ui.settings.controls import Selection, button, choice_select, option, section_controls
from bot.ui.settings.text import (
    ChangeSummary,
    channel_name,
    default_preset_lines,
    first_lines,
    lines_of,
    listed,
    role_name,
    summaries,
)
from bot.ui.views import layout_of, modal_of

# Character limits: Discord's for all texts in a message, and ours for the parts above and below the rules.
_MESSAGE_LENGTH = 4000
_WARNINGS_LENGTH = 1000
_NEWS_LENGTH = 900
# The selects that open a section or a form.
_OPENERS = frozenset(
    setting.encode()
    for setting in (
        SettingId(Section.HOME, "open"),
        SettingId(Section.BUDGETS, "role"),
        SettingId(Section.BUDGETS, "weight", "0"),
    )
)


@dataclass(frozen=True, slots=True)
class Panel:
    """The panel's content: a section, the selection in it, and the result of an edit.

    `saved` is the change that an edit made; it has no lines if the edit changed nothing. `mistakes` are the
    sentences about a refused edit, and `again` the `arg` of the button that reopens a refused form. `turn`
    differs each time the panel is shown.
    """

    section: Section = Section.HOME
    selection: Selection = None
    saved: ChangeSummary | None = None
    mistakes: Sequence[str] = ()
    again: str | None = None
    turn: int = 0


def panel_layout(panel: Panel, rules: ServerRules, context: SettingsContext) -> LayoutView:
    """Build the panel within 40 components and 4,000 characters; long lists are cut between lines."""
    news = _news(panel)
    sentences = warnings(panel.section, rules, context)
    warned = _lines([f"⚠️ {sentence}" for sentence in sentences], _WARNINGS_LENGTH)
    controls = _controls(panel, rules, context)
    heading = _heading(panel, context)
    used = sum(len(text) for text in (heading, news, warned)) + _length(controls)
    body = _lines(_body(panel, rules, context), _MESSAGE_LENGTH - used)
    top: list[Item[LayoutView]] = [TextDisplay(text) for text in (heading, news) if text]
    below: list[Item[LayoutView]] = [TextDisplay(warned)] if warned else []
    rules_shown: list[Item[LayoutView]] = [TextDisplay(body)] if body else []
    container = Container(*top, *rules_shown, *below, Separator(), *controls)
    container.accent_colour = _colour(panel, is_warning=bool(warned))
    layout = layout_of(container)
    _forget_choices(layout, panel)
    return layout


def _forget_choices(layout: LayoutView, panel: Panel) -> None:
    """Change the ids of selects that open something, and of all selects after a refused choice.

    Clients remember a choice by the select's id, even after Back, and don't send the same choice twice. They
    would continue to show the refused choice as if it had been saved.
    """
    for item in layout.walk_children():
        if isinstance(item, BaseSelect) and (item.custom_id in _OPENERS or panel.mistakes):
            item.id = SettingId(Section.HOME, "turn", f"{panel.turn}:{item.custom_id}").number


def _heading(panel: Panel, context: SettingsContext) -> str:
    if panel.section is Section.HOME:
        return say("settings_heading", server=escape_line(context.server, 60))
    title, hint = say(f"settings_title_{panel.section.value}"), say(f"settings_hint_{panel.section.value}")
    return f"### {title}\n-# {hint}"


def _news(panel: Panel) -> str:
    if panel.mistakes:
        return _lines([f"❌ {sentence}" for sentence in panel.mistakes], _NEWS_LENGTH)
    if panel.saved is None:
        return ""
    if not panel.saved.lines:
        return say("settings_unchanged")
    return _lines([say("settings_saved"), *panel.saved.lines], _NEWS_LENGTH)


def error_lines(error: BotError, control: SettingControl, context: SettingsContext) -> list[str]:
    """Return a line for each mistake, with the user's text escaped.

    A line about a value names whom or what the control's form limits, unless the section has only one form,
    and the box if the form has several.
    """
    limited = _limited(resolve(control, context), context) if isinstance(error, InputError) else ""
    errors = error.errors if isinstance(error, InputErrors) else [error]
    return [_mistake(each, limited) for each in errors]


def _limited(control: SettingControl, context: SettingsContext) -> str:
    """Return the name of the people, role or GPU that a form limits, or an empty text."""
    field = FIELDS.get(control.key)
    if field is None:
        return ""
    if field.per_role:
        return role_name(int(control.arg), context)
    if field.kind is Kind.NUMBER_BY_NAME:
        return escape_line(control.arg, 60)
    if field.boxes and field.section is Section.BUDGETS:
        return say(f"settings_label_{field.name}").removesuffix(":")
    return ""


def _mistake(error: BotError, limited: str) -> str:
    params = {
        name: escape_line(value, 60) if isinstance(value, str) else value
        for name, value in error.params.items()
    }
    sentence, box = say(error.code, **params), error.params.get("box")
    labels = [*([limited] if limited else []), *([say(f"settings_box_{box}")] if box is not None else [])]
    return say("settings_mistake", label=" · ".join(labels), sentence=sentence) if labels else sentence


def _body(panel: Panel, rules: ServerRules, context: SettingsContext) -> list[str]:
    if panel.section is not Section.HOME:
        covered = panel.saved.covered if panel.saved is not None else frozenset()
        lines = lines_of(panel.section, rules, context)
        shown = first_lines([line for line in lines if line.key not in covered])
        return [*shown, *default_preset_lines(context)] if panel.section is Section.RESULTS else shown
    return [
        say("settings_summary", title=say(f"settings_title_{section.value}"), summary=summary)
        for section, summary in summaries(rules, context)
    ]


def _controls(panel: Panel, rules: ServerRules, context: SettingsContext) -> list[Item[LayoutView]]:
    tidy = SettingId(Section.HOME, "tidy", panel.section.value)
    tidy_buttons = [button(tidy)] if missing_references(rules, context) else []
    if panel.section is not Section.HOME:
        controls = section_controls(panel.section, rules, context, panel.selection)
        back = button(SettingId(Section.HOME, "back"))
        # In one row, because a phone has space for two and the section's own buttons need the other.
        return [*controls, ActionRow(*_again_button(panel), back, *tidy_buttons)]
    sections = [
        option(
            section.value,
            say(f"settings_title_{section.value}"),
            description=say(f"settings_hint_{section.value}"),
        )
        for section in Section
        if section is not Section.HOME
    ]
    select = choice_select(SettingId(Section.HOME, "open"), sections, "settings_choose_section")
    opener = ActionRow[LayoutView](select)
    return [opener, ActionRow(*tidy_buttons)] if tidy_buttons else [opener]


def _again_button(panel: Panel) -> list[Button[LayoutView]]:
    if panel.again is None:
        return []
    again = SettingId(panel.section, "again", panel.again)
    return [button(again, label="settings_button_again", style=ButtonStyle.primary)]


def _length(items: Sequence[Item[LayoutView]]) -> int:
    return sum(len(item.content) for item in items if isinstance(item, TextDisplay))


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


def _colour(panel: Panel, *, is_warning: bool) -> Colour:
    if panel.mistakes:
        return Colour.red()
    if panel.saved is not None and panel.saved.lines:
        return Colour.green()
    return Colour.orange() if is_warning else Colour.blurple()


def warnings(section: Section, rules: ServerRules, context: SettingsContext) -> list[str]:
    """Return the section's warnings, most serious first. The overview has those of all sections."""
    found: list[str] = []
    if context.unreadable:
        found.append(say("settings_warn_unreadable", where=escape_line(", ".join(context.unreadable), 150)))
    if section in (Section.HOME, Section.APPROVAL):
        found += _approval_warnings(rules, context)
    if section in (Section.HOME, Section.WORDS):
        found += _word_warnings(rules, context)
    if section in (Section.HOME, Section.GPUS) and rules.gpu_roles:
        found += _gpu_warnings(context)
    if section in (Section.HOME, Section.RESULTS) and context.gallery_lacks:
        found.append(_no_access(rules.gallery_channel_id, context.gallery_lacks, context))
    if missing_references(rules, context):
        found.append(say("settings_warn_gone"))
    return found


def _no_access(channel_id: int | None, missing: Sequence[str], context: SettingsContext) -> str:
    return say(
        "settings_warn_no_access", channel=channel_name(channel_id, context), missing=", ".join(missing)
    )


def _approval_warnings(rules: ServerRules, context: SettingsContext) -> Iterator[str]:
    approval = rules.approval
    if context.review is not None and context.review.missing:  # reports go there even without approval
        yield _no_access(approval.review_channel_id, context.review.missing, context)
    if context.review is not None and context.review.everybody_sees:
        yield say("settings_warn_review_public", channel=channel_name(approval.review_channel_id, context))
    if approval.mode is ApprovalMode.OFF:
        return
    if context.review is None:
        yield say("settings_warn_no_channel")
    if rules.reviewer_role_id not in context.role_ids:
        yield say("settings_warn_no_reviewers")
    elif context.review is not None and not context.review.reviewers_see:
        yield say("settings_warn_reviewers_blind")
    if nothing_waits(rules, context):
        yield say("settings_warn_nothing_selected")


def _gpu_warnings(context: SettingsContext) -> Iterator[str]:
    for code, titles in (
        ("settings_warn_gpu_unknown", context.gpu_unknown),
        ("settings_warn_gpu_not_offered", context.gpu_not_offered),
    ):
        if titles:
            yield say(code, names=listed([escape_line(title, 60) for title in titles], 5))


def _word_warnings(rules: ServerRules, context: SettingsContext) -> Iterator[str]:
    if rules.words.automod is False:
        return
    if not context.manages_server:
        yield say("settings_warn_automod" if rules.words.automod else "settings_warn_unable")
    elif context.automod_away:
        yield say("settings_warn_automod_away")
    elif context.automod_unread:
        shown = dict.fromkeys(
            say(f"settings_unread_{item.code}", rule=escape_line(item.rule, 60))
            for item in context.automod_unread
        )
        yield say("settings_warn_not_applied", rules=listed(shown, 5))


def settings_modal(
    control: SettingControl, rules: ServerRules, *, about: str = "", form_values: Sequence[str] | None = None
) -> Modal:
    """Build the form of a control, filled with `form_values` or with the stored rules.

    `about` names the role or GPU of `control.arg`. The modal's custom_id has the form's stamp before the
    `arg`, as in `set:budgets:role:{stamp}:{role}`. The stamp shows whether the rules were changed while the
    form was open.
    """
    form = form_of(control.key)
    stamp = form.stamp(rules, control.arg)
    stamped = SettingId(control.section, control.name, f"{stamp}:{token(control.arg)}")
    title = say(f"settings_form_{control.section.value}_{control.name}", about=strip_invisible(about))
    texts = form.prefill(rules, control.arg)
    if form_values is not None and len(form_values) == len(texts):
        texts = tuple(form_values)
    labels = (
        _label(number, box, text) for number, (box, text) in enumerate(zip(form.boxes, texts, strict=True))
    )
    return modal_of(stamped.encode(), title, *labels)


def _label(number: int, box: Box, text: str) -> Label[Modal]:
    component: TextInput[Modal] = TextInput(
        custom_id=str(number),
        style=TextStyle.paragraph if box.paragraph else TextStyle.short,
        default=text[: box.max_length] or None,
        required=box.required,
        max_length=box.max_length,
    )
    return Label(
        text=say(f"settings_box_{box.name}"),
        description=say(f"settings_help_{box.name}"),
        component=component,
    )


def split_stamp(control: SettingControl) -> tuple[str, SettingControl]:
    """Return the stamp of a submitted form, and the form's control."""
    stamp, _, arg = control.arg.partition(":")
    return stamp, replace(control, arg=arg)


def again_arg(control: SettingControl, draft: str) -> str:
    """Return the `arg` of the button that reopens a refused form."""
    return f"{draft}:{control.name}:{control.arg}"


def parse_again(control: SettingControl) -> tuple[str, SettingControl]:
    """Return the draft's name, and the control of the form to reopen."""
    draft, _, rest = control.arg.partition(":")
    name, _, arg = rest.partition(":")
    return draft, SettingControl(control.section, name, arg)
