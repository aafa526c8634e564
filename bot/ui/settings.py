"""The panel of `/settings` with its warnings, and its forms, within the limits of a message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from discord import ButtonStyle, Colour
from discord.ui import Item, LayoutView, Modal, RoleSelect, Section, Select

from bot.domain.forms import FORM_LIMIT, FormField, batches
from bot.domain.picture_check import Flagged
from bot.domain.settings import setting_types
from bot.domain.settings.fields import FIELDS, Change, Key, keys_of, section_lines, summary, without_missing
from bot.domain.settings.rules_and_defaults import PICTURES, RESULTS, ApprovalMode, ServerRules
from bot.domain.settings.setting_types import Names, SettingsContext
from bot.domain.text import escape_line, listed, shorten_words, strip_invisible
from bot.ui.custom_ids import SettingId
from bot.ui.forms import form_modal, select_options
from bot.ui.message_parts import Content, button, fitting, framed

# Discord's limit for all texts in a message.
_MESSAGE_LENGTH = 4000
# Our limits, which leave space for the sections.
_NEWS_LENGTH, _WARNINGS_LENGTH, _CHANGE_LENGTH = 800, 800, 250
# So many sections leave room for a message's other components: each takes three of its 40.
_SECTIONS = 11


@dataclass(frozen=True, slots=True)
class Panel:
    """What the panel shows: the overview, or a section whose keys have forms of their own.

    `saved` are the changes of an edit, and `mistakes` what was refused, which the button `again` opens again.
    `turn` differs each time.
    """

    section: setting_types.Section | None = None
    saved: Sequence[Change] | None = None
    mistakes: Sequence[str] = ()
    again: SettingId | None = None
    turn: int = 0


def panel_layout(panel: Panel, rules: ServerRules, context: SettingsContext) -> LayoutView:
    """Build the panel within 40 components and 4,000 characters; long lists are cut."""
    section = panel.section
    title = f"Settings of {escape_line(context.server, 60)}" if section is None else section.title
    news = [f"❌ {sentence}" for sentence in panel.mistakes]
    if news and not panel.saved:
        news.insert(0, "Nothing was saved. Edit again keeps what you typed.")
    for label, *values in panel.saved or ():
        news.append(f"✅ **{label}:** {' → '.join(shorten_words(each, _CHANGE_LENGTH) for each in values)}")
    if panel.saved is not None and not news:
        news = ["Nothing changed."]
    top = f"### {title}\n{_lines(news, _NEWS_LENGTH)}".rstrip()
    warned = _lines([f"⚠️ {each}" for each in warnings(rules, context)], _WARNINGS_LENGTH)
    buttons = [button("Edit again", panel.again, ButtonStyle.primary)] if panel.again is not None else []
    if section is None:
        body: list[Content] = list(_overview(rules, context, _MESSAGE_LENGTH - len(top) - len(warned)))
        is_full = len(body) > _SECTIONS
        if is_full:
            top = f"{top}\n{warned}".rstrip()
        else:
            body.append(warned)
        if without_missing(rules, context) != rules:
            buttons.append(button("Clean up", SettingId("home", "tidy")))
        if rules.words.blocked:
            buttons.append(button("Download the words", SettingId("home", "words")))
        if is_full:
            del buttons[1:]
    else:
        body = list(_page(panel, section, rules, context, _MESSAGE_LENGTH - len(top)))
        buttons.append(button("Back", SettingId("home", "open")))
    colour = Colour.green() if panel.saved else Colour.orange() if warned else Colour.blurple()
    colour = Colour.red() if panel.mistakes else colour
    return framed(colour, top, *body, buttons)


def _overview(rules: ServerRules, context: SettingsContext, space: int) -> Iterator[Item[LayoutView]]:
    sections = dict.fromkeys(each.section for each in FIELDS if each.setting.has_effect(rules))
    if context.least_flagged is None:
        sections.pop(PICTURES, None)
    for section in sections:
        text = summary(section, rules, context)
        if section == RESULTS and context.default_presets:
            defaults = context.default_presets.items()
            named = listed([f"{escape_line(name, 32)} in <#{channel}>" for channel, name in defaults], 3)
            text += f" · Default presets: {named}"
        text = shorten_words(text, space // len(sections) - len(section.title) - 10)
        change = button("Change", SettingId(section.name, "open"))
        yield Section[LayoutView](f"**{section.title}**\n-# {text}", accessory=change)


def _page(
    panel: Panel, section: setting_types.Section, rules: ServerRules, context: SettingsContext, space: int
) -> Iterator[Content]:
    """Yield what is set in a section, and the selects that open a key's form.

    Clients don't send the same choice twice, unless the select has another id. So it can also be emptied, for
    somebody who closed the form.
    """
    lines = [f"**{label}:** {value}" for label, value in section_lines(section, rules, context)]
    yield _lines([shorten_words(line, _CHANGE_LENGTH) for line in lines] or [section.none], space)
    names = keys_of(section)
    if names is None:
        return
    name = "GPU" if names is Names.GPU else names
    more: dict[str, Any] = {"placeholder": f"Choose a {name}", "min_values": 0, "max_values": 1}
    if names is Names.ROLE:
        yield [RoleSelect(custom_id=SettingId(section.name, "key").encode(), id=panel.turn, **more)]
        return
    for number, page in enumerate(batches(context.options(names))):
        custom_id = SettingId(section.name, "key", part=number).encode()
        yield [Select(custom_id=custom_id, id=panel.turn + number, options=select_options(page), **more)]


def settings_modal(
    section: setting_types.Section, key: Key, title: str, fields: Sequence[FormField]
) -> Modal:
    """Build a form of at most five fields; `title` names its key.

    The further pages of a long list come last, so each setting has a field. What isn't shown stays as it is.
    """
    shown = sorted(fields, key=lambda each: each.name.split(":")[1].removeprefix("0").isdecimal())
    form_id = SettingId(section.name, "form", about=str(key or ""))
    heading = f"{section.title}: {strip_invisible(title)}" if title else section.title
    return form_modal(form_id.encode(), heading, shown[:FORM_LIMIT])


def _lines(lines: Sequence[str], limit: int) -> str:
    """Join as many whole lines as fit. If some don't fit, end with an ellipsis."""
    kept, left = fitting(lines, limit - 2)
    return "\n".join([*kept, "…"] if left else kept)


_WITHOUT = "Members who may not use all GPUs"


def _pictures(rules: ServerRules, context: SettingsContext) -> Iterator[str]:
    least, own = context.least_flagged, rules.pictures.flagged
    if least is None:
        return
    strictness = list(Flagged).index
    if strictness(least) > strictness(own):
        what = {Flagged.SPOILER: "are spoilers", Flagged.HOLD: "are held"}.get(least, "aren't shown")
        yield f"The bot's operator is stricter: flagged results {what} on all servers."
    if max(least, own, key=strictness) is Flagged.HOLD and context.review is None:
        yield "Without a review channel, nothing can be held: flagged results aren't shown."


def warnings(rules: ServerRules, context: SettingsContext) -> Iterator[str]:
    """Yield the warnings, the most serious first."""
    if context.unreadable:
        yield (
            f"I can't read what is stored of: {_names(context.unreadable)}. No request is accepted "
            "until you save a form here, which stores the defaults shown."
        )
    yield from _approval(rules, context)
    yield from _words(rules, context)
    yield from _pictures(rules, context)
    if rules.gpu_roles and context.gpu_unknown:
        yield f"The default GPU isn't known for: {_names(context.gpu_unknown)}. {_WITHOUT} must choose one."
    if rules.gpu_roles and context.gpu_not_offered:
        yield f"No GPU can be chosen for: {_names(context.gpu_not_offered)}. {_WITHOUT} can't run them."
    if context.gallery_lacks:
        yield _no_access(rules.gallery_channel_id, context.gallery_lacks)
    if without_missing(rules, context) != rules:
        yield "Some settings name things that no longer exist. Clean up removes them."


def _no_access(channel: int | None, lacks: Sequence[str]) -> str:
    return f"In <#{channel}> I need: {', '.join(lacks)}. Grant that in the channel's settings."


def _names(names: Iterable[str]) -> str:
    return listed([escape_line(name, 60) for name in names], 5)


def _approval(rules: ServerRules, context: SettingsContext) -> Iterator[str]:
    channel, review = rules.approval.review_channel_id, context.review
    if review is not None and review.missing:  # reports go there even without approval
        yield _no_access(channel, review.missing)
    if review is not None and review.everybody_sees:
        yield f"Everybody can see requests in <#{channel}>. Change who may view that channel."
    approval = rules.approval
    if approval.mode is ApprovalMode.OFF:
        return
    if review is None:
        yield "The review channel is missing, so requests that need approval are refused. Choose one."
    if rules.reviewer_role_id not in context.role_ids:
        yield (
            "Only people with Manage Server can approve requests, and nobody can approve their own. "
            "Choose a reviewer role."
        )
    elif review is not None and not review.reviewers_see:
        yield "The reviewer role can't see the review channel. Grant it View Channel there."
    if approval.mode is ApprovalMode.WITHOUT_ROLES and not approval.exempt_roles & context.role_ids:
        yield "No role that exists is chosen under “Who doesn't wait”, so everybody waits."
    waits = approval.deployments & context.deployments.keys() or approval.gpus & {*context.gpus}
    if approval.mode is ApprovalMode.SELECTED and not waits:
        yield "No available deployment or GPU is chosen under What needs approval, so nothing waits."


def _words(rules: ServerRules, context: SettingsContext) -> Iterator[str]:
    if rules.words.automod is False:
        return
    if not context.manages_server:
        refused = "requests with text are refused" if rules.words.automod else "they aren't applied"
        yield f"I can't read the AutoMod rules, so {refused}. Grant Manage Server to my role."
    elif context.automod_away:
        yield "The AutoMod rules can't be read at the moment. Requests with text are refused until then."
    elif context.automod_unread:
        unread = _names(dict.fromkeys(context.automod_unread))
        yield f"I can't apply these AutoMod rules, or only in part: {unread}."
