"""The whole panel: what is set, what is amiss, what was just done, and the controls. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from discord import ButtonStyle, Colour
from discord.ui import ActionRow, Button, Container, Item, LayoutView, Separator, TextDisplay

from bot.moderation.panels.cautions import cautions
from bot.moderation.panels.controls import button, choice, option
from bot.moderation.panels.ids import Section
from bot.moderation.panels.lines import clipped, lines_of
from bot.moderation.panels.sections import CONTROLS, Chosen
from bot.moderation.panels.summaries import summaries
from bot.moderation.rules import ServerRules
from bot.moderation.surroundings import Surroundings, gone
from bot.text import quoted
from bot.words import say

LONGEST = 4000
_CAUTIONS = 1000
_NOTICE = 900


@dataclass(frozen=True, slots=True)
class Panel:
    """What is shown: a section, what is chosen in it, and the news.

    `saved` are lines of what an edit changed (None: no edit; empty: it changed nothing), `error` is a
    sentence, `again` the form to go on with after one, as the button's `arg`: draft, control, about what.
    """

    section: Section = Section.HOME
    chosen: Chosen = None
    saved: Sequence[str] | None = None
    error: str | None = None
    again: str | None = None


def panel_layout(panel: Panel, rules: ServerRules, around: Surroundings) -> LayoutView:
    """At most 40 components and 4,000 characters; long lists are cut at a line."""
    news = _news(panel)
    warned = _lines([f"⚠️ {sentence}" for sentence in cautions(panel.section, rules, around)], _CAUTIONS)
    controls = _controls(panel, rules, around)
    heading = _heading(panel, around)
    taken = sum(len(text) for text in (heading, news, warned)) + _length(controls)
    body = _lines(_body(panel, rules, around), LONGEST - taken)
    top: list[Item[LayoutView]] = [TextDisplay(text) for text in (heading, news) if text]
    if panel.again is not None:
        again: Button[LayoutView] = button(
            panel.section, "again", panel.again, label="settings_button_again", style=ButtonStyle.primary
        )
        top.append(ActionRow(again))
    below: list[Item[LayoutView]] = [TextDisplay(warned)] if warned else []
    container = Container(*top, TextDisplay(body), *below, Separator(), *controls)
    container.accent_colour = _colour(panel, amiss=bool(warned))
    layout = LayoutView(timeout=None)
    layout.add_item(container)
    return layout


def _heading(panel: Panel, around: Surroundings) -> str:
    if panel.section is Section.HOME:
        return say("settings_heading", server=quoted(around.server, 60))
    title, hint = say(f"settings_title_{panel.section.value}"), say(f"settings_hint_{panel.section.value}")
    return f"### {title}\n-# {hint}"


def _news(panel: Panel) -> str:
    if panel.error is not None:
        return f"❌ {panel.error}"
    if panel.saved is None:
        return ""
    if not panel.saved:
        return say("settings_unchanged")
    return _lines([say("settings_saved"), *panel.saved], _NOTICE)


def _body(panel: Panel, rules: ServerRules, around: Surroundings) -> list[str]:
    if panel.section is not Section.HOME:
        return clipped(lines_of(panel.section, rules, around))
    return [
        say("settings_summary", title=say(f"settings_title_{section.value}"), summary=summary)
        for section, summary in summaries(rules, around)
    ]


def _controls(panel: Panel, rules: ServerRules, around: Surroundings) -> list[Item[LayoutView]]:
    tidy = [button(Section.HOME, "tidy", panel.section.value)] if gone(rules, around) else []
    if panel.section is not Section.HOME:
        made = list(CONTROLS[panel.section](rules, around, panel.chosen))
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


def _lines(lines: Sequence[str], most: int) -> str:
    """As many whole lines as fit, and an ellipsis for the rest."""
    kept: list[str] = []
    left = most - 2
    for line in lines:
        if len(line) + 1 > left:
            return "\n".join([*kept, "…"])
        kept.append(line)
        left -= len(line) + 1
    return "\n".join(kept)


def _colour(panel: Panel, *, amiss: bool) -> Colour:
    if panel.error is not None:
        return Colour.red()
    if panel.saved:
        return Colour.green()
    return Colour.orange() if amiss else Colour.blurple()
