"""The lines and buttons of `/audit`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
from bot.domain.runs import RunState
from bot.ui.custom_ids import AuditId
from bot.ui.moderation import audit_layout, audit_line
from tests.unit.factories import made_entry
from tests.unit.ui.messages import components, text

NOW = made_entry().entry.at
LARGEST = (1 << 63) - 1

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
    told = audit_line(made_entry(action=action, actor_id=11, subject_id=22, deployment="flux").entry)
    assert "Something went wrong" not in told
    assert told.endswith(f"\n-# <t:{int(NOW.timestamp())}:f>")
    assert "<@11>" in told or "<@22>" in told


def test_a_line_says_how_it_ended_why_and_for_which_request() -> None:
    entry = made_entry(
        action=AuditAction.OUTCOME,
        subject_id=22,
        deployment="flux",
        outcome=RunState.FAILED.value,
        run_key="abcdefgh",
        details={"gpu": "A100", "reason": "no *good*"},
    ).entry
    told, below = audit_line(entry).splitlines()
    assert told == "**flux** for <@22> · That didn't work · GPU A100 · “no \\*good\\*”"
    assert below == f"-# <t:{int(NOW.timestamp())}:f> · `abcdefgh`"


def test_a_refused_prompt_is_told_with_the_rule_and_the_word_that_it_hit() -> None:
    entry = made_entry(
        action=AuditAction.REFUSAL,
        subject_id=22,
        deployment="flux",
        outcome="words_hit",
        details={"rule": "Slurs", "word": "bad*", "option": "prompt"},
    ).entry
    told, _ = audit_line(entry).splitlines()
    assert told == "<@22> was refused **flux** · words hit · rule Slurs · word bad\\*"


def test_a_rules_code_is_told_in_plain_words() -> None:
    told = audit_line(
        made_entry(action=AuditAction.REFUSAL, subject_id=22, outcome="account_too_young").entry
    )
    assert "account too young\n" in told


def test_a_page_with_the_longest_of_everything_fits_into_one_message() -> None:
    worst = {
        "action": AuditAction.DISMISS,
        "actor_id": LARGEST,
        "subject_id": LARGEST,
        "deployment": "*" * 64,
        "outcome": "_" * 40,
        "run_key": "k" * 20,
        "details": {"gpu": "*" * 99, "reason": "*" * 999, "what": "*" * 999},
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
    layout = audit_layout(page, wanted)
    assert layout.content_length() <= 4000
    assert all(buttons(layout).values())


def test_buttons_that_lead_nowhere_can_not_be_pressed() -> None:
    only = audit_layout(AuditPage([made_entry()], None, None), AuditFilter())
    assert buttons(only) == {"Newer": False, "Older": False, "CSV file": True}
    nothing = audit_layout(AuditPage([], None, None), AuditFilter(deployment="flux"))
    assert "Nothing was found" in text(nothing)
    assert not any(buttons(nothing).values())
