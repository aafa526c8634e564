"""The selects of `/settings`, and the example in a form."""

from __future__ import annotations

import re
from dataclasses import replace

from discord.ui import LayoutView, Select

from bot.domain.picture_check import Flagged
from bot.domain.settings.fields import SECTIONS, form_of
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.ui.custom_ids import SettingId
from bot.ui.settings import Panel, panel_layout
from tests.unit.ui.drawn import DEPLOYMENTS, Drawer, rules_of
from tests.unit.ui.messages import assert_within_limits
from tests.word_rules import compiled, first_hit

FULL = Drawer(0, "fox", full=True).context()


def selects(section: str, turn: int) -> list[Select[LayoutView]]:
    layout = panel_layout(Panel(SECTIONS[section], turn=turn), ServerRules(), FULL)
    return [item for item in layout.walk_children() if isinstance(item, Select)]


def test_every_section_with_a_warning_and_buttons_is_within_discords_limits() -> None:
    panel = Panel(again=SettingId("home", "again", "0" * 8))
    assert_within_limits(panel_layout(panel, rules_of(60), replace(FULL, least_flagged=Flagged.HOLD)))


def test_each_of_many_deployments_has_a_form() -> None:
    offered = [option.value for item in selects("deployments", 1) for option in item.options]
    assert offered == list(DEPLOYMENTS)


def test_a_select_forgets_the_choice_when_the_panel_is_shown_again() -> None:
    before, after = ({item.id for item in selects("deployments", turn)} for turn in (1, 1000))
    assert before.isdisjoint(after)


def test_the_form_of_the_own_list_says_what_an_asterisk_matches() -> None:
    fields = form_of(SECTIONS["words"], None, ServerRules(), FULL)
    example = re.search(r"“(\w+\*)” matches (\w+)", fields[1].description)
    assert example is not None
    keyword, word = example.groups()
    assert first_hit(compiled(blocked=[keyword]), word) is not None
    assert first_hit(compiled(blocked=[keyword.strip("*")]), word) is None
