"""The whole panel: what is set, what is amiss, what was just done, and the controls. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from discord import ButtonStyle, Colour
from discord.ui import ActionRow, Button, Container, Item, LayoutView, Separator, TextDisplay
from discord.ui.select import BaseSelect

from bot.domain.rules import ServerRules
from bot.domain.settings_table import Control, Section
from bot.domain.settings_values import Surroundings, gone
from bot.domain.text import quoted
from bot.moderation.panels.cautions import cautions
from bot.moderation.panels.controls import button, choice, option
from bot.moderation.panels.lines import News, clipped, lines_of
from bot.moderation.panels.sections import CONTROLS, Chosen
from bot.moderation.panels.summaries import summaries
from bot.strings import say

LONGEST = 4000
_CAUTIONS = 1000
_NOTICE = 900
_OPENERS = frozenset({"set:home:open", "set:budgets:role", "set:budgets:weight:0"})


@dataclass(frozen=True, slots=True)
class Panel:
    """What is shown: a section, what is chosen in it, and the news.

    `saved` is what an edit changed (None: no edit; without lines: it changed nothing), `error` is a
    sentence, `again` the form to go on with after one, as the button's `arg`: draft, control, about what.
    `turn` differs each time the panel is shown.
    """

    section: Section = Section.HOME
    chosen: Chosen = None
    saved: News | None = None
    error: str | None = None
    again: str | None = None
    turn: int = 0


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
            item.id = Control(Section.HOME, "turn", f"{turn}:{item.custom_id}").number


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
    if not panel.saved.lines:
        return say("settings_unchanged")
    return _lines([say("settings_saved"), *panel.saved.lines], _NOTICE)


def _body(panel: Panel, rules: ServerRules, around: Surroundings) -> list[str]:
    if panel.section is not Section.HOME:
        # What the news say already is not said again below them.
        told = panel.saved.told if panel.saved is not None else frozenset()
        return clipped([line for line in lines_of(panel.section, rules, around) if line.key not in told])
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
    if panel.saved is not None and panel.saved.lines:
        return Colour.green()
    return Colour.orange() if amiss else Colour.blurple()
