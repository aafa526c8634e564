"""The whole panel: what is set, what is amiss, what was just done, and the controls. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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

from bot.domain.rules import ApprovalMode, ServerRules
from bot.domain.settings_table import Box, Section, SettingControl, form_of, token
from bot.domain.settings_values import SettingsContext, missing_references
from bot.domain.text import escape_line, shorten, strip_invisible
from bot.strings import say
from bot.ui import settings_text
from bot.ui.custom_ids import SettingId
from bot.ui.settings_controls import CONTROLS, Selection, button, choice, option
from bot.ui.settings_text import ChangeSummary, first_lines, lines_of, summaries

LONGEST = 4000
_CAUTIONS = 1000
_NOTICE = 900
_OPENERS = frozenset(
    control.encode()
    for control in (
        SettingId(Section.HOME, "open"),
        SettingId(Section.BUDGETS, "role"),
        SettingId(Section.BUDGETS, "weight", "0"),
    )
)


@dataclass(frozen=True, slots=True)
class Panel:
    """What is shown: a section, what is chosen in it, and the news.

    `saved` is what an edit changed (None: no edit; without lines: it changed nothing), `error` is a
    sentence, `again` the form to go on with after one, as the button's `arg`: draft, control, about what.
    `turn` differs each time the panel is shown.
    """

    section: Section = Section.HOME
    chosen: Selection = None
    saved: ChangeSummary | None = None
    error: str | None = None
    again: str | None = None
    turn: int = 0


def panel_layout(panel: Panel, rules: ServerRules, context: SettingsContext) -> LayoutView:
    """At most 40 components and 4,000 characters; long lists are cut at a line."""
    news = _news(panel)
    warned = _lines([f"⚠️ {sentence}" for sentence in warnings(panel.section, rules, context)], _CAUTIONS)
    controls = _controls(panel, rules, context)
    heading = _heading(panel, context)
    taken = sum(len(text) for text in (heading, news, warned)) + _length(controls)
    body = _lines(_body(panel, rules, context), LONGEST - taken)
    top: list[Item[LayoutView]] = [TextDisplay(text) for text in (heading, news) if text]
    if panel.again is not None:
        again: Button[LayoutView] = button(
            panel.section, "again", panel.again, label="settings_button_again", style=ButtonStyle.primary
        )
        top.append(ActionRow(again))
    below: list[Item[LayoutView]] = [TextDisplay(warned)] if warned else []
    rules_shown: list[Item[LayoutView]] = [TextDisplay(body)] if body else []
    container = Container(*top, *rules_shown, *below, Separator(), *controls)
    container.accent_colour = _colour(panel, amiss=bool(warned))
    layout = LayoutView(timeout=None)
    layout.add_item(container)
    _forget_choices(layout, panel.turn)
    return layout


def _forget_choices(layout: LayoutView, turn: int) -> None:
    """A client keeps what was chosen in a select by the select's id, also after Back, and then doesn't send
    the same choice again. Those that open something get another id each time."""
    for item in layout.walk_children():
        if isinstance(item, BaseSelect) and item.custom_id in _OPENERS:
            item.id = SettingId(Section.HOME, "turn", f"{turn}:{item.custom_id}").number


def _heading(panel: Panel, context: SettingsContext) -> str:
    if panel.section is Section.HOME:
        return say("settings_heading", server=escape_line(context.server, 60))
    title, hint = say(f"settings_title_{panel.section.value}"), say(f"settings_hint_{panel.section.value}")
    return f"### {title}\n-# {hint}"


def _news(panel: Panel) -> str:
    if panel.error is not None:
        return f"❌ {panel.error}"
    if panel.saved is None:
        return ""
    if not panel.saved.lines:
        return say("settings_unchanged")
    return _lines([say("settings_saved"), *panel.saved.lines], _NOTICE)


def _body(panel: Panel, rules: ServerRules, context: SettingsContext) -> list[str]:
    if panel.section is not Section.HOME:
        # What the news say already is not said again below them.
        told = panel.saved.told if panel.saved is not None else frozenset()
        return first_lines([line for line in lines_of(panel.section, rules, context) if line.key not in told])
    return [
        say("settings_summary", title=say(f"settings_title_{section.value}"), summary=summary)
        for section, summary in summaries(rules, context)
    ]


def _controls(panel: Panel, rules: ServerRules, context: SettingsContext) -> list[Item[LayoutView]]:
    tidy = [button(Section.HOME, "tidy", panel.section.value)] if missing_references(rules, context) else []
    if panel.section is not Section.HOME:
        made = list(CONTROLS[panel.section](rules, context, panel.chosen))
        return [*made, ActionRow(button(Section.HOME, "back"), *tidy)]
    sections = [
        option(
            section.value,
            say(f"settings_title_{section.value}"),
            description=say(f"settings_hint_{section.value}"),
        )
        for section in Section
        if section is not Section.HOME
    ]
    opener = ActionRow[LayoutView](choice(Section.HOME, "open", sections, "settings_choose_section"))
    return [opener, ActionRow(*tidy)] if tidy else [opener]


def _length(items: Sequence[Item[LayoutView]]) -> int:
    return sum(len(item.content) for item in items if isinstance(item, TextDisplay))


def _lines(lines: Sequence[str], limit: int) -> str:
    """As many whole lines as fit, and an ellipsis for the rest."""
    kept: list[str] = []
    left = limit - 2
    for line in lines:
        if len(line) + 1 > left:
            return "\n".join([*kept, "…"])
        kept.append(line)
        left -= len(line) + 1
    return "\n".join(kept)


def _colour(panel: Panel, *, amiss: bool) -> Colour:
    if panel.error is not None:
        return Colour.red()
    if panel.saved is not None and panel.saved.lines:
        return Colour.green()
    return Colour.orange() if amiss else Colour.blurple()


def warnings(section: Section, rules: ServerRules, context: SettingsContext) -> list[str]:
    """Sentences, the gravest first; the overview has all of them."""
    found: list[str] = []
    if context.unreadable:
        found.append(say("settings_warn_unreadable", where=escape_line(", ".join(context.unreadable), 150)))
    if section in (Section.HOME, Section.APPROVAL):
        found += _approval(rules, context)
    if section in (Section.HOME, Section.WORDS):
        found += _words(rules, context)
    if missing_references(rules, context):
        found.append(say("settings_warn_gone"))
    return found


def _approval(rules: ServerRules, context: SettingsContext) -> Iterator[str]:
    approval = rules.approval
    if context.review is not None and context.review.missing:  # reports go there too
        yield say(
            "settings_warn_no_access",
            channel=settings_text.channel_name(approval.review_channel_id, context),
            missing=", ".join(context.review.missing),
        )
    if approval.mode is ApprovalMode.OFF:
        return
    if context.review is None:
        yield say("settings_warn_no_channel")
    if rules.reviewer_role_id not in context.role_ids:
        yield say("settings_warn_no_reviewers")
    elif context.review is not None and not context.review.reviewers_see:
        yield say("settings_warn_reviewers_blind")
    if approval.mode is ApprovalMode.SELECTED and not (approval.deployments or approval.gpus):
        yield say("settings_warn_nothing_selected")


def _words(rules: ServerRules, context: SettingsContext) -> Iterator[str]:
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
        yield say("settings_warn_not_applied", rules=settings_text.listed(shown, 5))


_TITLE = 45


def settings_modal(
    control: SettingControl, rules: ServerRules, *, about: str = "", typed: Sequence[str] | None = None
) -> Modal:
    """`control.arg` is what the form is about, `about` how a person calls it.

    The modal's own custom_id carries the form's stamp before the arg: `set:budgets:role:{stamp}:{role}`.
    """
    form = form_of(control.field)
    stamp = form.stamp(rules, control.arg)
    sent = SettingId(control.section, control.name, f"{stamp}:{token(control.arg)}")
    title = say(f"settings_form_{control.section.value}_{control.name}", about=strip_invisible(about))
    modal = Modal(title=shorten(title, _TITLE), timeout=None, custom_id=sent.encode())
    texts = form.prefill(rules, control.arg)
    if typed is not None and len(typed) == len(texts):
        texts = tuple(typed)
    for number, (box, text) in enumerate(zip(form.boxes, texts, strict=True)):
        modal.add_item(_label(number, box, text))
    return modal


def _label(number: int, box: Box, text: str) -> Label[Modal]:
    component: TextInput[Modal] = TextInput(
        custom_id=str(number),
        style=TextStyle.paragraph if box.paragraph else TextStyle.short,
        default=text[: box.longest] or None,
        required=box.required,
        max_length=box.longest,
    )
    return Label(
        text=say(f"settings_box_{box.name}"),
        description=say(f"settings_help_{box.name}"),
        component=component,
    )


def opened(arg: str) -> tuple[str, str]:
    """The stamp and what the form is about, from a sent modal's `arg`."""
    stamp, _, about = arg.partition(":")
    return stamp, about
