"""The panel of `/settings` within Discord's limits, and its news. The snapshots have it whole."""

from __future__ import annotations

import re
from typing import Any

import pytest
from discord.ui import (
    ActionRow,
    Button,
    ChannelSelect,
    Label,
    RoleSelect,
    Select,
    TextInput,
)
from discord.ui.select import BaseSelect

from bot.domain.settings.fields import Section, SettingControl
from bot.domain.settings.forms import FORMS
from bot.domain.settings.rules_and_defaults import (
    Approval,
    ApprovalMode,
    Budgets,
    People,
    RoleBudget,
    ServerRules,
    Words,
)
from bot.domain.settings.values import DefaultPreset, NotApplied, ReviewChannel, SettingsContext, named, token
from bot.strings import SENTENCES
from bot.ui.custom_ids import SettingId
from bot.ui.settings.controls import Selection
from bot.ui.settings.panel import Panel, panel_layout, settings_modal
from bot.ui.settings.text import ChangeSummary, describe_changes
from tests.unit.ui.messages import ASKED
from tests.unit.ui.snapshot import button_rows
from tests.word_rules import compiled, first_hit

ROLES = frozenset(range(10**18, 10**18 + 25))
DEPLOYMENTS = {f"deployment-{n}" + "x" * 50: f"Deployment {n} " + "long " * 20 for n in range(25)}
GPUS = tuple(f"GPU{n} " + "G" * 90 for n in range(25))
GONE = 5 * 10**17
FULL = SettingsContext(
    server="S" * 100,
    role_ids=ROLES,
    channel_ids=frozenset({7}),
    deployments=DEPLOYMENTS,
    gpus=GPUS,
    review=ReviewChannel(missing=("View Channel", "Send Messages"), reviewers_see=False, everybody_sees=True),
    automod_unread=tuple(NotApplied("automod_preset", f"rule {n} " + "r" * 90) for n in range(6)),
    gallery_lacks=("View Channel", "Send Messages"),
    default_presets=tuple(
        DefaultPreset(
            channel_id=(1 << 62) + number,
            name="*" * 32,
            deployment=next(iter(DEPLOYMENTS)),
            set_at=ASKED,
            set_by=(1 << 62) + number,
        )
        for number in range(500)
    ),
    gpu_unknown=tuple(DEPLOYMENTS.values()),
    gpu_not_offered=tuple(DEPLOYMENTS.values()),
    unreadable=tuple(f"budgets.roles.{n}" for n in range(50)),
)
CROWDED = ServerRules(
    reviewer_role_id=GONE,
    approval=Approval(
        mode=ApprovalMode.SELECTED,
        review_channel_id=7,
        exempt_roles=ROLES,
        deployments=frozenset({*DEPLOYMENTS, "gone"}),
        gpus=frozenset({*GPUS, "gone"}),
    ),
    budgets=Budgets(
        roles={
            role: RoleBudget(
                at_once=10**6, runs_a_day=10**6, gpu_seconds_a_day=10**6, unlimited=role % 2 == 0
            )
            for role in ROLES
        },
        gpu_weights=dict.fromkeys(GPUS, 1.5),
    ),
    words=Words(blocked=tuple(f"{n:03d}" + "w" * 57 for n in range(500))),
    people=People(account_days=3650, member_days=3650),
    gpu_roles={gpu: ROLES | {GONE} for gpu in GPUS},
    deployment_roles=dict.fromkeys(DEPLOYMENTS, ROLES | {GONE}),
    gallery_channel_id=7,
)
PANELS: list[tuple[Section, Selection]] = [(section, None) for section in Section]
PANELS += [(Section.GPUS, ("gpu", GPUS[3])), (Section.GPUS, ("deployment", next(iter(DEPLOYMENTS))))]


def text(panel: Panel, rules: ServerRules, context: SettingsContext) -> str:
    layout = panel_layout(panel, rules, context)
    return "\n".join(getattr(item, "content", "") for item in layout.walk_children())


@pytest.mark.parametrize("mode", ApprovalMode)
@pytest.mark.parametrize(("section", "chosen"), PANELS)
@pytest.mark.parametrize("saved", [None, ChangeSummary(tuple(f"{n} " + "s" * 250 for n in range(60)))])
def test_the_most_crowded_panel_stays_within_discords_limits(
    section: Section, chosen: Selection, saved: ChangeSummary | None, mode: ApprovalMode
) -> None:
    approval = CROWDED.approval.model_copy(update={"mode": mode})
    rules = CROWDED.model_copy(update={"approval": approval})
    mistakes = () if saved else ("e" * 200,) * 9
    again = None if saved else "00000000:weight:" + "x" * 64
    layout = panel_layout(Panel(section, chosen, saved=saved, mistakes=mistakes, again=again), rules, FULL)
    assert layout.content_length() <= 4000
    assert layout.total_children_count <= 40
    payload = layout.to_components()
    assert payload
    seen: set[str] = set()
    numbers = [item.id for item in layout.walk_children() if item.id is not None]
    assert len(numbers) == len(set(numbers)) > 0
    for item in layout.walk_children():
        custom_id = getattr(item, "custom_id", None)
        if custom_id is not None:
            assert len(custom_id) <= 100
            assert SettingId.read(custom_id).control.section in Section
            assert custom_id not in seen
            seen.add(custom_id)
        if isinstance(item, Select):
            assert 1 <= len(item.options) <= 25
            assert len(item.placeholder or "") <= 150
            for option in item.options:
                assert 1 <= len(option.label) <= 100
                assert len(option.value) <= 100
                assert len(option.description or "") <= 100
        if isinstance(item, RoleSelect | ChannelSelect):
            assert len(item.default_values) <= item.max_values
        if isinstance(item, ActionRow):
            assert 1 <= len(item.children) <= 5


@pytest.mark.parametrize("many", [26, 60, 130])
def test_more_deployments_than_a_select_holds_are_spread_over_several(many: int) -> None:
    context = SettingsContext(
        server="S",
        deployments={f"d{n}": f"D{n}" for n in range(many)},
        gpus=tuple(f"g{n}" for n in range(60)),
    )
    rules = ServerRules(approval=Approval(mode=ApprovalMode.SELECTED, review_channel_id=7))
    for section, chosen in ((Section.APPROVAL, None), (Section.GPUS, ("gpu", "g1"))):
        layout = panel_layout(Panel(section, chosen), rules, context)
        assert layout.total_children_count <= 40
        offered = [
            option.value
            for item in layout.walk_children()
            if isinstance(item, Select) and "deployment" in item.custom_id
            for option in item.options
        ]
        assert offered == [f"d{n}" for n in range(min(many, 100))]


@pytest.mark.parametrize("field", FORMS)
def test_every_form_has_its_words_within_discords_limits(field: str) -> None:
    section, _, name = field.partition(".")
    arg = str(min(ROLES)) if name == "role" else GPUS[0] if name == "weight" else ""
    modal = settings_modal(SettingControl(Section(section), name, arg), CROWDED, about="R" * 100)
    assert len(modal.title) <= 45
    assert len(modal.custom_id) <= 100
    assert 1 <= len(modal.children) <= 5
    for label in modal.children:
        assert isinstance(label, Label)
        assert isinstance(label.component, TextInput)
        assert len(label.text) <= 45
        assert len(label.description or "") <= 100
        assert len(label.component.default or "") <= (label.component.max_length or 0) <= 4000
        assert label.text != SENTENCES["internal"]


@pytest.mark.parametrize("name", ["list", "add"])
def test_the_form_of_the_own_list_says_what_an_asterisk_matches(name: str) -> None:
    (label,) = settings_modal(SettingControl(Section.WORDS, name), ServerRules()).children
    assert isinstance(label, Label)
    example = re.search(r"“(\w+\*)” matches (\w+)", label.description or "")
    assert example is not None
    keyword, word = example.groups()
    assert first_hit(compiled(blocked=[keyword]), word) is not None
    assert first_hit(compiled(blocked=[keyword.strip("*")]), word) is None


def test_a_long_name_comes_back_from_its_custom_id() -> None:
    for name in (*GPUS, *DEPLOYMENTS, "A100"):
        assert len(token(name)) <= 64
        assert named(token(name), [*GPUS, *DEPLOYMENTS, "A100"]) == name
    assert named("nothing", GPUS) == "nothing"


def test_no_sentence_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    for section, chosen in PANELS:
        panel = Panel(section, chosen, saved=ChangeSummary(("x",)))
        for rules in (ServerRules(), CROWDED):
            assert SENTENCES["internal"] not in text(panel, rules, FULL)
    assert not caplog.records


def changed(**sections: Any) -> str:
    """Return the only line about a change of the crowded rules."""
    (line,) = describe_changes(CROWDED, CROWDED.model_copy(update=sections), FULL).lines
    return line


def test_an_addition_and_a_removal_are_told_even_of_a_list_too_long_to_show() -> None:
    last, first = max(ROLES), min(ROLES)
    fewer = CROWDED.approval.model_copy(update={"exempt_roles": ROLES - {last}})
    assert changed(approval=fewer) == f"**Who doesn't wait:** removed <@&{last}>"
    words = Words(blocked=(*CROWDED.words.blocked[1:], "*new*"))
    assert "added \\*new\\*; removed 000www" in changed(words=words)
    roles = {**CROWDED.budgets.roles, first: RoleBudget(at_once=1)}
    budgets = CROWDED.budgets.model_copy(update={"roles": roles})
    assert changed(budgets=budgets) == f"**<@&{first}>:** No limit → 1 at once"


def test_a_list_is_shown_in_whole_below_the_news_about_it() -> None:
    some = Approval(mode=ApprovalMode.WITHOUT_ROLES, exempt_roles=ROLES)
    before, after = (
        ServerRules(approval=some.model_copy(update={"exempt_roles": roles}))
        for roles in (ROLES, ROLES - {max(ROLES)})
    )
    panel = Panel(Section.APPROVAL, saved=describe_changes(before, after, FULL))
    assert text(panel, after, FULL).count("**Who doesn't wait:**") == 2


def ids(panel: Panel, rules: ServerRules) -> dict[str, int | None]:
    """Return the id of each select and button: with another one, a client forgets what was chosen."""
    return {
        item.custom_id: item.id
        for item in panel_layout(panel, rules, FULL).walk_children()
        if isinstance(item, BaseSelect | Button) and item.custom_id is not None
    }


@pytest.mark.parametrize("section", Section)
def test_only_a_select_that_opens_something_forgets_the_choice(section: Section) -> None:
    opening = {
        Section.HOME: {"set:home:open"},
        Section.BUDGETS: {"set:budgets:role", "set:budgets:weight:0"},
    }
    first, second = (ids(Panel(section, turn=turn), CROWDED) for turn in (1, 2))
    moved = {custom_id for custom_id in first if first[custom_id] != second[custom_id]}
    assert moved == opening.get(section, set())
    assert len(set(second.values())) == len(second)


def test_a_refused_choice_is_forgotten_by_the_client() -> None:
    saved = ids(Panel(Section.APPROVAL, turn=1), ServerRules())
    mistakes = ["Approval needs a review channel."]
    refused = ids(Panel(Section.APPROVAL, turn=2, mistakes=mistakes), ServerRules())
    assert saved.keys() == refused.keys()
    moved = {custom_id for custom_id in saved if saved[custom_id] != refused[custom_id]}
    assert {"set:approval:mode", "set:approval:channel", "set:approval:exempt"} <= moved


def test_a_change_of_one_setting_is_not_told_of_those_that_it_rules_out() -> None:
    before = ServerRules(approval=Approval(mode=ApprovalMode.WITHOUT_ROLES, exempt_roles=ROLES))
    approval = before.approval.model_copy(update={"mode": ApprovalMode.EVERYBODY})
    (line,) = describe_changes(before, before.model_copy(update={"approval": approval}), FULL).lines
    assert line == "**Who waits for approval:** Everybody but certain roles → Everybody"


@pytest.mark.parametrize("section", Section)
@pytest.mark.parametrize("again", [None, "0123abcd:ages:"], ids=["plain", "again"])
@pytest.mark.parametrize("words", [("bad",), CROWDED.words.blocked], ids=["few", "many"])
@pytest.mark.parametrize("selection", [None, ("gpu", GPUS[0]), ("deployment", next(iter(DEPLOYMENTS)))])
def test_a_phone_shows_at_most_two_rows_of_buttons(
    section: Section, again: str | None, words: tuple[str, ...], selection: Selection
) -> None:
    rules = CROWDED.model_copy(update={"words": Words(blocked=words)})
    panel = Panel(section, selection=selection, mistakes=["wrong"] if again else [], again=again)
    layout = panel_layout(panel, rules, FULL)
    assert any(isinstance(item, Button) and item.label == "Clean up" for item in layout.walk_children())
    assert button_rows(layout.to_components()) <= 2
