"""The panel of `/settings` and its forms within Discord's limits. The snapshots have them whole."""

from __future__ import annotations

import re

import pytest
from discord.ui import ActionRow, ChannelSelect, Label, RoleSelect, Select

from bot.domain.forms import FORM_LIMIT, batches
from bot.domain.settings.fields import SECTIONS, form_of, keys_of
from bot.domain.settings.kinds import Names, NotApplied, ReviewChannel, SettingsContext
from bot.domain.settings.rules_and_defaults import (
    Approval,
    ApprovalMode,
    Budgets,
    People,
    RoleBudget,
    ServerRules,
    Words,
)
from bot.ui.custom_ids import SettingId
from bot.ui.settings import Panel, panel_layout, settings_modal
from tests.word_rules import compiled, first_hit

ROLES = frozenset(range(10**18, 10**18 + 60))
DEPLOYMENTS = {f"deployment-{n}" + "x" * 50: f"Deployment {n} " + "long " * 20 for n in range(60)}
GPUS = tuple(f"GPU{n} " + "G" * 40 for n in range(25))
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
    default_presets={(1 << 62) + number: "*" * 32 for number in range(500)},
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
        roles={role: RoleBudget(at_once=10**6, runs_a_day=10**6, unlimited=role % 2 == 0) for role in ROLES},
        gpu_weights=dict.fromkeys(GPUS, 1.5),
    ),
    words=Words(blocked=tuple(f"{n:03d}" + "w" * 57 for n in range(500))),
    people=People(account_days=3650, member_days=3650),
    gpu_roles={gpu: ROLES | {GONE} for gpu in GPUS},
    deployment_roles=dict.fromkeys(DEPLOYMENTS, ROLES | {GONE}),
    gallery_channel_id=7,
)
KEYS = {None: None, Names.ROLE: min(ROLES), Names.GPU: GPUS[3], Names.DEPLOYMENT: next(iter(DEPLOYMENTS))}
SAVED = [(f"{n} " + "s" * 50, "old " * 500, "new " * 500) for n in range(60)]


@pytest.mark.parametrize("name", ["", *SECTIONS])
@pytest.mark.parametrize("news", ["none", "saved", "mistakes"])
def test_the_most_crowded_panel_stays_within_discords_limits(name: str, news: str) -> None:
    section = SECTIONS.get(name)
    panel = Panel(
        section,
        KEYS[keys_of(section)] if section and news == "none" else None,
        saved=SAVED if news == "saved" else None,
        mistakes=["e" * 200] * 9 if news == "mistakes" else (),
        again=SettingId(name or "home", "again", "0" * 8, 9, "x" * 50) if news == "mistakes" else None,
        parts=12,
        turn=2**30,
    )
    layout = panel_layout(panel, CROWDED, FULL)
    assert layout.content_length() <= 4000
    assert layout.total_children_count <= 40
    numbers = [item.id for item in layout.walk_children() if item.id is not None]
    assert len(numbers) == len(set(numbers))
    ids = [each for item in layout.walk_children() if (each := getattr(item, "custom_id", None))]
    assert len(ids) == len(set(ids))
    assert all(len(each) <= 100 and SettingId.read(each) for each in ids)
    for item in layout.walk_children():
        if isinstance(item, Select):
            assert 1 <= len(item.options) <= 25
            assert all(1 <= len(option.label) <= 100 for option in item.options)
            assert all(len(option.value) <= 100 for option in item.options)
        if isinstance(item, ActionRow):
            assert 1 <= len(item.children) <= 5


@pytest.mark.parametrize("section", SECTIONS)
def test_every_form_is_within_discords_limits(section: str) -> None:
    there = SECTIONS[section]
    key = KEYS[keys_of(there)]
    for part, fields in enumerate(batches(form_of(there, key, CROWDED, FULL), FORM_LIMIT)):
        modal = settings_modal(there, key, part, "R" * 100, fields)
        assert len(modal.title) <= 45
        assert len(modal.custom_id) <= 100
        assert 1 <= len(modal.children) <= 5
        for label in modal.children:
            assert isinstance(label, Label)
            assert len(label.text) <= 45
            assert len(label.description or "") <= 100
            component = label.component
            assert len(component.custom_id) <= 100
            if isinstance(component, RoleSelect | ChannelSelect):
                assert len(component.default_values) <= component.max_values <= 25
            if isinstance(component, Select):
                assert 1 <= len(component.options) <= 25
                assert all(len(option.label) <= 100 for option in component.options)
        assert modal.to_dict()


def test_each_of_many_deployments_has_a_form() -> None:
    layout = panel_layout(Panel(SECTIONS["deployments"], turn=1), ServerRules(), FULL)
    selects = [item for item in layout.walk_children() if isinstance(item, Select)]
    offered = [option.value for item in selects for option in item.options]
    assert offered == list(DEPLOYMENTS)


def test_the_form_of_the_own_list_says_what_an_asterisk_matches() -> None:
    fields = form_of(SECTIONS["words"], None, ServerRules(), FULL)
    example = re.search(r"“(\w+\*)” matches (\w+)", fields[1].description)
    assert example is not None
    keyword, word = example.groups()
    assert first_hit(compiled(blocked=[keyword]), word) is not None
    assert first_hit(compiled(blocked=[keyword.strip("*")]), word) is None


def test_a_select_forgets_the_choice_when_the_panel_is_shown_again() -> None:
    def numbers(turn: int) -> set[int | None]:
        layout = panel_layout(Panel(SECTIONS["gpus"], turn=turn), ServerRules(), FULL)
        return {item.id for item in layout.walk_children() if isinstance(item, Select)}

    assert numbers(1).isdisjoint(numbers(1000))
