"""The panel of `/settings` within Discord's limits, whatever is stored, and what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from discord.ui import (
    ActionRow,
    Button,
    ChannelSelect,
    Label,
    LayoutView,
    RoleSelect,
    Select,
    TextDisplay,
    TextInput,
)
from discord.ui.select import BaseSelect

from bot.domain.settings.fields import FORMS, Section, SettingControl
from bot.domain.settings.rules_and_defaults import (
    Approval,
    ApprovalMode,
    Budgets,
    People,
    RoleBudget,
    ServerRules,
    Words,
)
from bot.domain.settings.values import NotApplied, ReviewChannel, SettingsContext, named, token
from bot.strings import SENTENCES
from bot.ui.custom_ids import SettingId
from bot.ui.settings.controls import Selection
from bot.ui.settings.panel import Panel, panel_layout, settings_modal
from bot.ui.settings.text import ChangeSummary, describe_changes

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
    review=ReviewChannel(missing=("View Channel", "Send Messages"), reviewers_see=False),
    automod_unread=tuple(NotApplied("automod_preset", f"rule {n} " + "r" * 90) for n in range(6)),
    gallery_lacks=("View Channel", "Send Messages"),
    default_presets={(1 << 62) + number: "*" * 32 for number in range(500)},
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
    error = None if saved else "e" * 200
    again = None if saved else "00000000:weight:" + "x" * 64
    layout = panel_layout(Panel(section, chosen, saved=saved, error=error, again=again), rules, FULL)
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


def test_a_long_name_comes_back_from_its_custom_id() -> None:
    for name in (*GPUS, *DEPLOYMENTS, "A100"):
        assert len(token(name)) <= 64
        assert named(token(name), [*GPUS, *DEPLOYMENTS, "A100"]) == name
    assert named("nothing", GPUS) == "nothing"


def test_no_sentence_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    for section, chosen in PANELS:
        for rules in (ServerRules(), CROWDED):
            assert SENTENCES["internal"] not in text(
                Panel(section, chosen, saved=ChangeSummary(("x",))), rules, FULL
            )
    for code in ("automod_spam", "automod_unknown", "keyword_empty", "regex_unsupported", "regex_too_large",
                 "regex_ascii_classes"):  # fmt: skip
        context = SettingsContext(automod_unread=(NotApplied(code, "*My* rule"),))
        assert "\\*My\\* rule (" in text(Panel(Section.WORDS), ServerRules(), context)
    assert not caplog.records


def test_what_will_not_work_is_told_where_it_is_set() -> None:
    on = ServerRules(approval=Approval(mode=ApprovalMode.EVERYBODY, review_channel_id=7))
    bare = SettingsContext(manages_server=False)
    for section in (Section.HOME, Section.APPROVAL):
        shown = text(Panel(section), on, bare)
        assert "requests that need approval are refused" in shown
        assert "nobody approves their own" in shown
        assert "what needs approval" not in text(Panel(section), ServerRules(), bare)
    for section in (Section.HOME, Section.WORDS):
        assert "so they don't apply to requests" in text(Panel(section), on, bare)
        always = ServerRules(words=Words(automod=True))
        assert "without Manage Server" in text(Panel(section), always, bare)
        away = SettingsContext(automod_away=True)
        assert "can't be read at the moment" in text(Panel(section), on, away)
        off = ServerRules(words=Words(automod=False))
        assert "Manage Server" not in text(Panel(section), off, bare)
    assert "⚠️" not in text(Panel(Section.RESULTS), on, SettingsContext(channel_ids=frozenset({7})))


def test_what_came_and_what_went_is_told_even_where_the_list_is_cut() -> None:
    last, first = max(ROLES), min(ROLES)
    fewer = CROWDED.approval.model_copy(update={"exempt_roles": ROLES - {last}})
    (line,) = describe_changes(CROWDED, CROWDED.model_copy(update={"approval": fewer}), FULL).lines
    assert line == f"**Who doesn't wait:** removed <@&{last}>"
    words = Words(blocked=(*CROWDED.words.blocked[1:], "*new*"))
    (line,) = describe_changes(CROWDED, CROWDED.model_copy(update={"words": words}), FULL).lines
    assert "added \\*new\\*; removed 000www" in line
    roles = {**CROWDED.budgets.roles, first: RoleBudget(at_once=1)}
    budgets = CROWDED.budgets.model_copy(update={"roles": roles})
    (line,) = describe_changes(CROWDED, CROWDED.model_copy(update={"budgets": budgets}), FULL).lines
    assert line == f"**<@&{first}>:** no limit → 1 at once"


def test_what_was_just_saved_is_said_once() -> None:
    before = ServerRules()
    after = before.model_copy(update={"retention_days": 7})
    record = Panel(Section.RECORD, saved=describe_changes(before, after, FULL))
    assert text(record, after, FULL).count("Kept for:") == 1
    assert "**Kept for:** 365 days → 7 days" in text(record, after, FULL)
    assert "**Kept for:** 7 days" in text(Panel(Section.RECORD), after, FULL)
    some = Approval(mode=ApprovalMode.WITHOUT_ROLES, exempt_roles=ROLES)
    before, rules = (
        ServerRules(approval=some.model_copy(update={"exempt_roles": roles}))
        for roles in (ROLES, ROLES - {max(ROLES)})
    )
    approval = text(Panel(Section.APPROVAL, saved=describe_changes(before, rules, FULL)), rules, FULL)
    # Of a list the news tell what went; what is left stands below.
    assert approval.count("**Who doesn't wait:**") == 2


def test_the_overview_tells_both_ages() -> None:
    def people(account: int, member: int) -> str:
        rules = ServerRules.model_validate({"people": {"account_days": account, "member_days": member}})
        return next(line for line in text(Panel(), rules, FULL).splitlines() if "**People**" in line)

    assert people(0, 0) == "**People** · Accounts of any age · any time on this server"
    assert people(30, 0) == "**People** · Accounts of 30 days or more · any time on this server"
    assert people(0, 2) == "**People** · Accounts of any age · 2 days or more on this server"


def test_what_opens_something_forgets_what_was_chosen_and_nothing_else_moves() -> None:
    def ids(section: Section, turn: int) -> dict[str, int | None]:
        layout = panel_layout(Panel(section, turn=turn), CROWDED, FULL)
        return {
            item.custom_id: item.id
            for item in layout.walk_children()
            if isinstance(item, BaseSelect | Button) and item.custom_id is not None
        }

    for section in Section:
        first, second = ids(section, 1), ids(section, 2)
        moved = {custom_id for custom_id in first if first[custom_id] != second[custom_id]}
        expected = {
            Section.HOME: {"set:home:open"},
            Section.BUDGETS: {"set:budgets:role", "set:budgets:weight:0"},
        }
        assert moved == expected.get(section, set())
        assert len(set(second.values())) == len(second)


def test_a_refused_choice_is_forgotten_by_the_client() -> None:
    def ids(**panel: int | str) -> dict[str, int | None]:
        layout = panel_layout(Panel(Section.APPROVAL, **panel), ServerRules(), FULL)
        return {item.custom_id: item.id for item in layout.walk_children() if isinstance(item, BaseSelect)}

    saved, refused = ids(turn=1), ids(error="Approval needs a review channel.", turn=2)
    assert saved.keys() == refused.keys()
    assert not saved.items() & refused.items()


def part(layout: LayoutView, custom_id: str) -> Any:
    (found,) = [item for item in layout.walk_children() if getattr(item, "custom_id", None) == custom_id]
    return found


CHANNEL = SettingsContext(
    role_ids=ROLES, channel_ids=frozenset({7}), deployments={"flux": "Flux"}, gpus=("L4", "T4")
)
NEEDS_MODE = "Only if “Who waits for approval” is"


@pytest.mark.parametrize(
    ("mode", "disabled"),
    [
        (ApprovalMode.OFF, {"exempt", "deployments:0", "gpus:0", "hours"}),
        (ApprovalMode.EVERYBODY, {"exempt", "deployments:0", "gpus:0"}),
        (ApprovalMode.WITHOUT_ROLES, {"deployments:0", "gpus:0"}),
        (ApprovalMode.SELECTED, {"exempt"}),
    ],
)
def test_what_another_setting_rules_out_is_disabled_and_says_which(
    mode: ApprovalMode, disabled: set[str]
) -> None:
    approval = Approval(
        mode=mode,
        review_channel_id=7,
        exempt_roles=ROLES,
        deployments=frozenset({"flux"}),
        gpus=frozenset({"L4"}),
        hours=5,
    )
    layout = panel_layout(Panel(Section.APPROVAL), ServerRules(approval=approval), CHANNEL)
    controls = ("exempt", "deployments:0", "gpus:0", "hours", "mode")
    found = {name: part(layout, f"set:approval:{name}") for name in controls}
    assert {name for name, item in found.items() if item.disabled} == disabled
    shown = "\n".join(item.content for item in layout.walk_children() if isinstance(item, TextDisplay))
    needs = {
        "exempt": f"**Roles that don't wait**\n-# {NEEDS_MODE} “Everybody without certain roles”.",
        "deployments:0": f"**Deployments that wait**\n-# {NEEDS_MODE} “Certain deployments and GPUs”.",
        "gpus:0": f"**GPUs that wait**\n-# {NEEDS_MODE} “Certain deployments and GPUs”.",
        "hours": "-# Only if “Who waits for approval” isn't “Nobody”.",
    }
    assert {name for name, sentence in needs.items() if sentence in shown} == disabled
    # A stored value without an effect isn't shown either.
    chosen = {
        "exempt": bool(found["exempt"].default_values),
        "deployments:0": any(option.default for option in found["deployments:0"].options),
        "gpus:0": any(option.default for option in found["gpus:0"].options),
        "hours": "**Expires after:** 5 hours" in shown,
    }
    assert {name for name, is_shown in chosen.items() if not is_shown} == disabled
    assert ("**Who doesn't wait:**" in shown) is ("exempt" not in disabled)
    assert ("**Deployments that wait:** Flux" in shown) is ("gpus:0" not in disabled)


@pytest.mark.parametrize(("channel", "disabled"), [(None, True), (6, True), (7, False)])
def test_approval_is_switched_on_once_there_is_a_review_channel(
    channel: int | None, *, disabled: bool
) -> None:
    def shown(mode: ApprovalMode) -> tuple[bool, bool]:
        rules = ServerRules(approval=Approval(mode=mode, review_channel_id=channel))
        layout = panel_layout(Panel(Section.APPROVAL), rules, CHANNEL)
        needed = any(
            "Choose a review channel first." in getattr(i, "content", "") for i in layout.walk_children()
        )
        return part(layout, "set:approval:mode").disabled, needed

    assert shown(ApprovalMode.OFF) == (disabled, disabled)
    # Even if the channel is gone, approval can be switched off.
    assert shown(ApprovalMode.EVERYBODY) == (False, False)


def test_a_change_of_one_setting_is_not_told_of_those_that_it_rules_out() -> None:
    before = ServerRules(approval=Approval(mode=ApprovalMode.WITHOUT_ROLES, exempt_roles=ROLES))
    approval = before.approval.model_copy(update={"mode": ApprovalMode.EVERYBODY})
    after = before.model_copy(update={"approval": approval})
    (line,) = describe_changes(before, after, CHANNEL).lines
    assert line == "**Who waits for approval:** Everybody without certain roles → Everybody"


FIRST = min(ROLES)
NOTES: list[tuple[Section, dict[str, Any], str]] = [
    (Section.APPROVAL, {"reviewer_role_id": GONE}, "so only people with Manage Server decide."),
    (Section.GPUS, {"gpu_roles": {"L4": {GONE}}}, "so nobody may use it."),
    (Section.GPUS, {"gpu_roles": {"L4": set()}}, "so nobody may use it."),
    (Section.GPUS, {"gpu_roles": {"L4": {GONE, FIRST}}}, "A deleted role has no members"),
    (Section.GPUS, {"gpu_roles": {"H100": {FIRST}}}, "This isn't offered any more"),
    (Section.GPUS, {"deployment_roles": {"old": {GONE}}}, "This isn't offered any more"),
    (Section.BUDGETS, {"budgets": {"roles": {GONE: {"at_once": 1}}}}, "so its limits have no effect."),
    (Section.BUDGETS, {"budgets": {"gpu_weights": {"H100": 2}}}, "Missing entries aren't offered any more"),
    (
        Section.APPROVAL,
        {"approval": {"mode": "without_roles", "exempt_roles": [GONE]}},
        "No role that exists is chosen, so everybody waits.",
    ),
    (
        Section.APPROVAL,
        {"approval": {"mode": "without_roles", "exempt_roles": [GONE, FIRST]}},
        "A deleted role has no members",
    ),
    (
        Section.APPROVAL,
        {"approval": {"mode": "selected", "gpus": ["H100"]}},
        "Missing entries aren't offered any more",
    ),
    (
        Section.APPROVAL,
        {"approval": {"mode": "selected", "gpus": ["H100"]}},
        "so nothing waits for approval.",
    ),
]


@pytest.mark.parametrize(("section", "rules", "note"), NOTES)
def test_a_rule_that_can_not_apply_says_so(section: Section, rules: dict[str, Any], note: str) -> None:
    assert note in text(Panel(section), ServerRules.model_validate(rules), CHANNEL)


def test_a_rule_that_applies_says_nothing() -> None:
    rules = ServerRules.model_validate(
        {
            "reviewer_role_id": FIRST,
            "approval": {"mode": "without_roles", "review_channel_id": 7, "exempt_roles": [FIRST]},
            "gpu_roles": {"L4": {FIRST}},
            "deployment_roles": {"flux": {FIRST}},
            "budgets": {"roles": {FIRST: {"at_once": 1}}, "gpu_weights": {"L4": 2}},
        }
    )
    context = replace(CHANNEL, review=ReviewChannel())
    assert not any("⚠️" in text(Panel(section), rules, context) for section in Section)
