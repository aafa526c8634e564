"""The lines and buttons of `/audit`, and the rows of its CSV file."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import RefusedError
from bot.domain.records import (
    FINAL_STATES,
    PAGE_SIZE,
    AuditAction,
    AuditButton,
    AuditCursor,
    AuditFilter,
    AuditPage,
)
from bot.domain.runs import MessageRef, RunState
from bot.domain.settings.rules_and_defaults import ServerRules, diff_rules, with_values
from bot.domain.settings.values import SettingsContext
from bot.ui.audit import AUDIT_COLUMNS, audit_cells, audit_layout, audit_line
from bot.ui.custom_ids import AuditId
from bot.ui.settings.changes import in_file, in_message, stored_changes
from tests.unit.factories import made_entry
from tests.unit.ui.messages import components, text

NOW = made_entry().entry.at
LARGEST = (1 << 63) - 1
ROLE, OTHER, GONE, CHANNEL = 71, 72, 73, 81


def title(name: str) -> str:
    return {"flux": "Flux *dev*"}.get(name, name)


NAMING = in_message(
    SettingsContext(role_ids=frozenset({ROLE, OTHER}), channel_ids=frozenset({CHANNEL})), title
)
PLAIN = in_file(
    {ROLE: "Staff", OTHER: "Guests", GONE: "73"}.__getitem__, {CHANNEL: "#review"}.__getitem__, title
)

moments = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=80 * 365)).map(
    lambda since: datetime(2015, 1, 1, tzinfo=UTC) + since
)
seconds = moments.map(lambda moment: moment.replace(microsecond=0))
ids = st.integers(min_value=1, max_value=LARGEST)
names = st.text(min_size=1, max_size=32)
filters = st.builds(
    AuditFilter,
    subject=st.none() | ids,
    actor=st.none() | ids,
    deployment=st.none() | names,
    outcome=st.none() | st.sampled_from(FINAL_STATES),
    action=st.none() | st.sampled_from(AuditAction),
    since=st.none() | seconds,
    until=st.none() | seconds,
)
cursors = st.none() | st.builds(AuditCursor, moments, st.integers(min_value=1, max_value=(1 << 31) - 1))


def buttons(layout: discord.ui.LayoutView) -> dict[str, bool]:
    """Return for each label whether the button can be pressed."""
    return {c["label"]: not c["disabled"] for c in components(layout) if c["type"] == 2}


@given(wanted=filters, cursor=cursors, step=st.sampled_from(AuditButton))
def test_a_button_carries_any_filter_and_cursor_within_discords_hundred_characters(
    wanted: AuditFilter, cursor: AuditCursor | None, step: AuditButton
) -> None:
    button = AuditId(step, wanted, cursor)
    assert len(button.encode()) <= 100
    assert AuditId.read(button.encode()) == button


@given(st.text(alphabet="ABCabc019_-", min_size=56, max_size=56))
def test_forged_fields_are_refused_or_a_filter_that_the_store_can_take(fields: str) -> None:
    try:
        button = AuditId.read(f"audit:o:{fields}:")
    except RefusedError:
        return
    assert button is not None
    assert max(button.audit_filter.subject or 0, button.audit_filter.actor or 0) <= LARGEST
    assert button.cursor is None or button.cursor.id < 1 << 31


@pytest.mark.parametrize("action", AuditAction)
def test_every_action_has_a_line_of_its_own(action: AuditAction) -> None:
    stored = made_entry(action=action, actor_id=11, subject_id=22, deployment="flux")
    told = audit_line(stored, NAMING)
    assert "Something went wrong" not in told + " ".join(audit_cells(stored, PLAIN))
    assert told.endswith(f"\n-# <t:{int(NOW.timestamp())}:f>")
    assert "<@11>" in told or "<@22>" in told


def test_a_line_says_how_it_ended_why_and_where() -> None:
    stored = made_entry(
        action=AuditAction.OUTCOME,
        subject_id=22,
        deployment="flux",
        outcome=RunState.FAILED.value,
        run_key="abcdefgh",
        details={"gpu": "A100", "reason": "no *good*"},
        prompt="a *red* fox " + "far away " * 20,
        message=MessageRef(2, 3),
    )
    told, below = audit_line(stored, NAMING).splitlines()
    assert told == (
        "**Flux \\*dev\\*** for <@22> · That didn't work · prompt “a \\*red\\* fox far away far away far"
        " away far away far away far away far away far…” · GPU A100 · reason “no \\*good\\*”"
    )
    assert below == f"-# <t:{int(NOW.timestamp())}:f> · [open](https://discord.com/channels/1/2/3)"


def test_without_a_message_the_request_is_named_by_its_key() -> None:
    below = audit_line(made_entry(subject_id=22, run_key="abcdefgh"), NAMING).splitlines()[1]
    assert below.endswith(" · `abcdefgh`")


def test_a_refused_prompt_is_told_with_the_rule_and_the_word_that_it_hit() -> None:
    stored = made_entry(
        action=AuditAction.REFUSAL,
        subject_id=22,
        deployment="flux",
        outcome="words_refused",
        details={"rule": "Slurs", "word": "bad*", "option": "prompt"},
    )
    told = audit_line(stored, NAMING).splitlines()[0]
    assert told.endswith("was refused **Flux \\*dev\\*** · forbidden words · rule Slurs · word bad\\*")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("budget_runs", "person's runs a day"),
        ("server_budget_gpu_count", "server's GPU seconds a day"),
        ("gpu_role_none", "roles of the GPU"),
        ("a_rule_of_another_version", "a rule of another version"),
    ],
)
def test_a_rules_code_is_told_in_plain_words(code: str, told: str) -> None:
    stored = made_entry(action=AuditAction.REFUSAL, subject_id=22, outcome=code)
    assert f" · {told}\n" in audit_line(stored, NAMING)
    assert told in audit_cells(stored, PLAIN)


@pytest.mark.parametrize(
    ("details", "told"),
    [
        ({"reason": "spam", "ended": 2}, "reason “spam” · until unblocked · ended 2 waiting requests"),
        (
            {"until": "2026-05-05T12:30:00+00:00", "ended": 1},
            "until <t:1777984200:f> · ended 1 waiting request",
        ),
    ],
)
def test_a_block_says_until_when_and_what_it_ended(details: dict[str, object], told: str) -> None:
    stored = made_entry(action=AuditAction.BLOCK, actor_id=11, subject_id=22, details=details)
    assert audit_line(stored, NAMING).splitlines()[0] == f"<@11> blocked <@22> · {told}"


# Rules before and after a change, and the change as the message and the file show it.
CHANGES: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    (
        {},
        {"approval.mode": "everybody", "approval.review_channel_id": CHANNEL},
        f"Who waits for approval: Nobody → Everybody; Review channel: none → <#{CHANNEL}>",
        "Who waits for approval: Nobody → Everybody; Review channel: none → #review",
    ),
    (
        {"reviewer_role_id": GONE},
        {"reviewer_role_id": ROLE},
        f"Decided by: a deleted role (`{GONE}`) → <@&{ROLE}>",
        "Decided by: 73 → Staff",
    ),
    (
        {"approval.exempt_roles": {ROLE}, "approval.gpus": {"A100"}},
        {"approval.exempt_roles": {OTHER}, "approval.gpus": {"A100", "H*"}, "approval.deployments": {"flux"}},
        f"Who doesn't wait: added <@&{OTHER}>; removed <@&{ROLE}>;"
        " Deployments that wait: added Flux \\*dev\\*; GPUs that wait: added H\\*",
        "Who doesn't wait: added Guests; removed Staff; Deployments that wait: added Flux *dev*;"
        " GPUs that wait: added H*",
    ),
    (
        {},
        {"budgets.person": {"at_once": 5, "waiting": 10, "runs_a_day": 1000}},
        "Each person: 3 at once → 5 at once; Each person: no limit → 1,000 a day",
        "Each person: 3 at once → 5 at once; Each person: no limit → 1,000 a day",
    ),
    (
        {"budgets.roles": {OTHER: {"unlimited": True}}},
        {"budgets.roles": {ROLE: {"at_once": 5}}},
        f"<@&{OTHER}>: no limit → not set; <@&{ROLE}>: not set → 5 at once",
        "Guests: no limit → not set; Staff: not set → 5 at once",
    ),
    (
        {"gpu_roles": {"A100": {ROLE}}, "deployment_roles": {"flux": {ROLE}}},
        {"gpu_roles": {"A100": {ROLE, OTHER}}, "deployment_roles": {}},
        f"A100: added <@&{OTHER}>; Flux \\*dev\\*: <@&{ROLE}> → everybody",
        "A100: added Guests; Flux *dev*: Staff → everybody",
    ),
    (
        {},
        {"gpu_roles": {"RTX.4090": set()}, "budgets.gpu_weights": {"H100": 2.5}},
        "GPU seconds count: H100: 1 → 2.5; RTX.4090: everybody → nobody",
        "GPU seconds count: H100: 1 → 2.5; RTX.4090: everybody → nobody",
    ),
    (
        {"people.account_days": 1},
        {"people.member_days": 7, "retention_days": 30, "spoiler": "always", "words.automod": False},
        "This server's AutoMod rules: Apply them if I may read them → Don't apply them;"
        " Age of the account: 1 day → Any age; Time on this server: Any time → 7 days;"
        " Spoiler: Never hidden → Always hidden behind a click; Kept for: 365 days → 30 days",
        "",
    ),
    (
        {"words.blocked": ("*a*",)},
        {"words.blocked": ("b",)},
        "The bot's own list: added b; removed \\*a\\*",
        "",
    ),
]


@pytest.mark.parametrize(("before", "after", "in_discord", "in_csv"), CHANGES)
def test_a_change_of_settings_is_told_by_names_with_its_old_and_new_values(
    before: dict[str, Any], after: dict[str, Any], in_discord: str, in_csv: str
) -> None:
    old, new = with_values(ServerRules(), before), with_values(ServerRules(), after)
    # As the store keeps it.
    changes = json.loads(json.dumps(diff_rules(old, new)))
    assert "; ".join(" ".join(each) for each in stored_changes(changes, NAMING)) == in_discord
    if in_csv:
        stored = made_entry(action=AuditAction.SETTINGS, actor_id=11, details={"changes": changes})
        assert dict(zip(AUDIT_COLUMNS, audit_cells(stored, PLAIN), strict=True))["details"] == in_csv


def test_entries_of_earlier_versions_are_told_as_far_as_they_go() -> None:
    lists = {
        "gpu_roles.A100": {"added": [ROLE], "removed": []},
        "approval.colour": {"from": "red", "to": None},
    }
    assert list(stored_changes(lists, NAMING)) == [
        ("A100:", f"added <@&{ROLE}>"),
        ("approval.colour:", "red → None"),
    ]
    for what, told in (("approval.hours", "Approval"), ("+ preset *noir*", "+ preset \\*noir\\*")):
        stored = made_entry(action=AuditAction.SETTINGS, actor_id=11, details={"what": what})
        assert audit_line(stored, NAMING).splitlines()[0] == f"<@11> changed the settings · {told}"


def test_a_channel_is_named_as_any_other_name() -> None:
    stored = made_entry(action=AuditAction.SHARE, actor_id=11, details={"channel": str(CHANNEL)})
    assert f" · in <#{CHANNEL}>\n" in audit_line(stored, NAMING)
    assert audit_cells(stored, PLAIN)[-1] == "in #review"


def test_what_does_not_fit_into_a_line_is_marked() -> None:
    changes = {f"gpu_roles.GPU{number}": {"from": None, "to": [ROLE]} for number in range(30)}
    stored = made_entry(action=AuditAction.SETTINGS, actor_id=11, details={"changes": changes})
    told = audit_line(stored, NAMING)
    assert "GPU0: everybody → <@&71>" in told
    assert " …\n" in told
    assert audit_cells(stored, PLAIN)[-1].count("everybody → Staff") == 30


def test_the_file_has_what_a_page_has() -> None:
    stored = made_entry(
        7,
        actor_id=LARGEST,
        subject_id=22,
        deployment="flux",
        outcome="failed",
        run_key="abc",
        details={"reason": 'say "no"\nthen go', "gpu": "L4"},
        prompt="a fox",
        message=MessageRef(2, 3),
    )
    assert dict(zip(AUDIT_COLUMNS, audit_cells(stored, PLAIN), strict=True)) == {
        "id": "7",
        "time": "2026-05-04T12:30:15+00:00",
        "action": "Request",
        "by": f"<@{LARGEST}>",
        "person": "<@22>",
        "deployment": "Flux *dev*",
        "outcome": "That didn't work",
        "request": "abc",
        "prompt": "a fox",
        "link": "https://discord.com/channels/1/2/3",
        "details": 'GPU L4; reason “say "no" then go”',
    }


def test_a_page_with_the_longest_of_everything_fits_into_one_message() -> None:
    worst = {
        "action": AuditAction.DISMISS,
        "actor_id": LARGEST,
        "subject_id": LARGEST,
        "deployment": "*" * 64,
        "outcome": "_" * 40,
        "run_key": "k" * 20,
        "details": {"gpu": "*" * 99, "reason": "*" * 999, "what": "*" * 999},
        "prompt": "*" * 999,
        "message": MessageRef(LARGEST, LARGEST),
    }
    wanted = AuditFilter(
        subject=LARGEST,
        actor=LARGEST,
        deployment="*" * 32,
        outcome="timed_out",
        action=AuditAction.DISMISS,
        since=NOW,
        until=NOW,
    )
    page = AuditPage(
        [made_entry(number, **worst) for number in range(PAGE_SIZE)], AuditCursor(NOW, 1), AuditCursor(NOW, 2)
    )
    layout = audit_layout(page, wanted, NAMING)
    assert layout.content_length() <= 4000
    assert all(buttons(layout).values())


def test_buttons_that_lead_nowhere_can_not_be_pressed() -> None:
    only = audit_layout(AuditPage([made_entry()], None, None), AuditFilter(), NAMING)
    assert buttons(only) == {"Newer": False, "Older": False, "CSV file": True}
    nothing = audit_layout(AuditPage([], None, None), AuditFilter(deployment="flux"), NAMING)
    assert "Nothing was found" in text(nothing)
    assert not any(buttons(nothing).values())
