"""The record as moderators read it: its lines, its buttons, its file."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import RefusedError
from bot.domain.records import (
    OUTCOMES,
    PAGE_SIZE,
    AuditAction,
    AuditButton,
    AuditCursor,
    AuditEntry,
    AuditFilter,
    AuditPage,
    StoredEntry,
)
from bot.domain.runs import RunState
from bot.services.audit import CsvWriter
from bot.ui.custom_ids import AuditId
from bot.ui.moderation import audit_layout, audit_line
from tests.unit.ui.messages import components, text

NOW = datetime(2026, 5, 4, 12, 30, 15, 123456, tzinfo=UTC)
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
    outcome=st.none() | st.sampled_from(OUTCOMES),
    action=st.none() | st.sampled_from(AuditAction),
    since=st.none() | seconds,
    until=st.none() | seconds,
)
cursors = st.none() | st.builds(AuditCursor, moments, st.integers(min_value=1, max_value=(1 << 31) - 1))


def line(number: int = 1, **changes: Any) -> StoredEntry:
    return StoredEntry(
        number, AuditEntry(**{"at": NOW, "guild_id": 1, "action": AuditAction.REQUEST, **changes})
    )


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
    told = audit_line(line(action=action, actor_id=11, subject_id=22, deployment="flux").entry)
    assert "Something went wrong" not in told
    assert told.endswith(f"\n-# <t:{int(NOW.timestamp())}:f>")
    assert "<@11>" in told or "<@22>" in told


def test_a_line_says_how_it_ended_why_and_for_which_request() -> None:
    entry = line(
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
    entry = line(
        action=AuditAction.REFUSAL,
        subject_id=22,
        deployment="flux",
        outcome="words_hit",
        details={"rule": "Slurs", "word": "bad*", "option": "prompt"},
    ).entry
    told, _ = audit_line(entry).splitlines()
    assert told == "<@22> was refused **flux** · words hit · rule Slurs · word bad\\*"


def test_a_rules_code_is_told_in_plain_words() -> None:
    told = audit_line(line(action=AuditAction.REFUSAL, subject_id=22, outcome="account_too_young").entry)
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
        [line(number, **worst) for number in range(PAGE_SIZE)], AuditCursor(NOW, 1), AuditCursor(NOW, 2)
    )
    layout = audit_layout(page, wanted)
    assert layout.content_length() <= 4000
    assert all(buttons(layout).values())


def test_buttons_that_lead_nowhere_can_not_be_pressed() -> None:
    only = audit_layout(AuditPage([line()], None, None), AuditFilter())
    assert buttons(only) == {"Newer": False, "Older": False, "CSV file": True}
    nothing = audit_layout(AuditPage([], None, None), AuditFilter(deployment="flux"))
    assert "Nothing was found" in text(nothing)
    assert not any(buttons(nothing).values())


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def test_the_file_holds_what_the_record_holds() -> None:
    writer = CsvWriter()
    assert writer.add(
        line(
            7,
            actor_id=LARGEST,
            deployment="naïve, “quoted”",
            outcome="failed",
            run_key="abc",
            details={"reason": 'say "no"\nthen go'},
        )
    )
    header, row = rows(writer.file().data)
    assert dict(zip(header, row, strict=True)) == {
        "id": "7",
        "time": "2026-05-04T12:30:15+00:00",
        "action": "request",
        "by": str(LARGEST),
        "person": "",
        "deployment": "naïve, “quoted”",
        "outcome": "failed",
        "request": "abc",
        "details": '{"reason": "say \\"no\\"\\nthen go"}',
    }


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
)
def test_no_cell_is_a_formula_to_a_spreadsheet(start: str) -> None:
    writer = CsvWriter()
    writer.add(line(deployment=f"{start}HYPERLINK(A1)"))
    assert rows(writer.file().data)[1][5] == f"'{start}HYPERLINK(A1)"


def test_the_file_ends_with_a_whole_line_and_says_that_it_was_cut() -> None:
    by_rows = CsvWriter(rows=2)
    assert [by_rows.add(line(number)) for number in range(4)] == [True, True, False, False]
    assert (by_rows.file().rows, by_rows.file().cut) == (2, True)
    by_size = CsvWriter(size=400)
    while by_size.add(line(details={"reason": "x" * 30})):
        pass
    made = by_size.file()
    assert len(made.data) <= 400
    assert len(rows(made.data)) == made.rows + 1 > 1
    # A smaller line after the first that found no place would leave a gap.
    assert not by_size.add(line())


def test_half_a_surrogate_pair_does_not_break_the_file() -> None:
    writer = CsvWriter()
    writer.add(line(deployment="a\ud83d"))
    assert rows(writer.file().data)[1][5] == "a?"
