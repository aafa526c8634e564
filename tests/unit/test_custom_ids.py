"""Guards every custom_id as a literal: messages with these ids are in Discord and must keep working."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime

import pytest

from bot.domain.errors import RefusedError
from bot.domain.records import AuditAction, AuditButton, AuditCursor, AuditFilter
from bot.domain.runs import Direction, RunCursor, RunFilter, RunsPage
from bot.domain.settings_table import Section, SettingControl
from bot.ui.custom_ids import (
    AUDIT_PATTERN,
    BLOCKED_PATTERN,
    EDIT_PATTERN,
    PRESETS_PATTERN,
    RUN_PATTERN,
    RUNS_PATTERN,
    USE_PATTERN,
    Action,
    EditForm,
    RunListAction,
    UseForm,
    custom_id,
    edit_form,
    parse,
    read_record_id,
    read_runs_id,
    record_id,
    runs_id,
    use_form,
)
from bot.ui.help import SELECT
from bot.ui.lists import QUEUE_PATTERN
from bot.ui.moderation import block_modal, reject_modal
from cogs.privacy import _PATTERN as ERASE_PATTERN
from cogs.reviews import _PATTERN as FORM_PATTERN

KEY = "abcdefghij234567"
AT = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
PAGE = RunsPage(RunFilter.KEPT, Direction.NEWER, RunCursor(AT, KEY))
# New actions and states go to the end: an audit id holds their numbers.
ACTIONS = (
    "request refusal outcome approve reject expire cancel delete report dismiss block unblock settings pause "
    "resume privacy"
)
OUTCOMES = "succeeded failed cancelled timed_out refused rejected expired unconfirmed"
FULL_FILTER = AuditFilter(
    subject=111, actor=222, deployment="flux", outcome="failed", action=AuditAction.BLOCK, since=AT, until=AT
)


@pytest.mark.parametrize("action", Action)
def test_run_buttons(action: Action) -> None:
    literal = f"run:abcdefghij234567:{action.name.lower()}"
    assert custom_id(KEY, action) == literal
    match = RUN_PATTERN.fullmatch(literal)
    assert match is not None
    assert (match["key"], match["action"]) == (KEY, action)


def test_review_forms() -> None:
    assert reject_modal(KEY).custom_id == "form:abcdefghij234567:reject"
    assert block_modal(KEY).custom_id == "form:abcdefghij234567:block"
    assert FORM_PATTERN.fullmatch("form:abcdefghij234567:block")


@pytest.mark.parametrize(
    ("form", "literal"),
    [
        (EditForm(KEY), "edit:abcdefghij234567:"),
        (EditForm(KEY, "0123abcd"), "edit:abcdefghij234567:0123abcd"),
        (EditForm(KEY, "0123abcd", send=True), "edit:abcdefghij234567:0123abcd:send"),
    ],
)
def test_edit(form: EditForm, literal: str) -> None:
    assert form.custom_id == literal
    match = EDIT_PATTERN.fullmatch(literal)
    assert match is not None
    assert edit_form(match) == form


@pytest.mark.parametrize(
    ("form", "literal"),
    [
        (UseForm("", 9), "use::9::"),
        (UseForm("flux", 0, KEY), "use:flux:0:abcdefghij234567:"),
        (UseForm("flux", 1, KEY, "0123abcd"), "use:flux:1:abcdefghij234567:0123abcd"),
    ],
)
def test_use(form: UseForm, literal: str) -> None:
    assert form.custom_id == literal
    match = USE_PATTERN.fullmatch(literal)
    assert match is not None
    assert use_form(match) == form


@pytest.mark.parametrize(
    ("control", "page", "literal"),
    [
        (RunListAction.PAGE, RunsPage(), "runs:page:o:all:0:"),
        (RunListAction.PAGE, PAGE, "runs:page:n:kept:1772600767000089:abcdefghij234567"),
        (RunListAction.CANCEL, PAGE, "runs:cancel:n:kept:1772600767000089:abcdefghij234567"),
        (RunListAction.POST, PAGE, "runs:post:n:kept:1772600767000089:abcdefghij234567"),
    ],
)
def test_runs(control: RunListAction, page: RunsPage, literal: str) -> None:
    assert runs_id(control, page) == literal
    match = RUNS_PATTERN.fullmatch(literal)
    assert match is not None
    assert (match["control"], read_runs_id(match)) == (control, page)


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        (QUEUE_PATTERN, "queue:12"),
        (BLOCKED_PATTERN, "blocked:12"),
        (PRESETS_PATTERN, "presets:12"),
    ],
)
def test_pages(pattern: re.Pattern[str], literal: str) -> None:
    match = pattern.fullmatch(literal)
    assert match is not None
    assert match["page"] == "12"


@pytest.mark.parametrize(
    ("button", "audit_filter", "cursor", "literal"),
    [
        (
            AuditButton.FILE,
            AuditFilter(),
            None,
            "audit:c:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:",
        ),
        (
            AuditButton.OLDER,
            FULL_FILTER,
            AuditCursor(AT, 333),
            "audit:o:AAZMK8cLrhkAAAAAAAABTQAAAAAAAABvAAAAAAAAAN5pp72_aae9vwsC:flux",
        ),
    ],
)
def test_audit(
    button: AuditButton, audit_filter: AuditFilter, cursor: AuditCursor | None, literal: str
) -> None:
    assert record_id(button, audit_filter, cursor) == literal
    match = AUDIT_PATTERN.fullmatch(literal)
    assert match is not None
    assert match["step"] == button
    parsed, parsed_cursor = read_record_id(match["fields"], match["deployment"])
    assert record_id(button, parsed, parsed_cursor) == literal


def test_audit_ids_keep_the_numbers_of_actions_and_outcomes() -> None:
    for number, action in enumerate(ACTIONS.split(), 1):
        literal = record_id(AuditButton.FILE, AuditFilter(action=AuditAction(action)), None)
        assert packed(literal)[-2:] == bytes((number, 0))
    for number, outcome in enumerate(OUTCOMES.split(), 1):
        literal = record_id(AuditButton.FILE, AuditFilter(outcome=outcome), None)
        assert packed(literal)[-2:] == bytes((0, number))


def packed(literal: str) -> bytes:
    """Return the fields that an audit id packs."""
    return base64.urlsafe_b64decode(literal.split(":")[2])


def test_help() -> None:
    assert f"{SELECT}0" == "help:0"


@pytest.mark.parametrize(
    ("control", "literal"),
    [
        (SettingControl(Section.HOME, "open"), "set:home:open"),
        (SettingControl(Section.GPUS, "gpu_roles", "A10G"), "set:gpus:gpu_roles:A10G"),
        (SettingControl(Section.BUDGETS, "role", "0123abcd:444"), "set:budgets:role:0123abcd:444"),
    ],
)
def test_settings(control: SettingControl, literal: str) -> None:
    assert control.custom_id == literal
    assert parse(literal.removeprefix("set:")) == control


def test_erase() -> None:
    match = ERASE_PATTERN.fullmatch("erase:123456789012345678")
    assert match is not None
    assert match["person"] == "123456789012345678"


@pytest.mark.parametrize(
    "forged",
    ["runs:page:o:nothing:0:", "runs:page:o:all:999999999999999999:a"],
)
def test_a_forged_page_is_refused(forged: str) -> None:
    match = RUNS_PATTERN.fullmatch(forged)
    assert match is not None
    with pytest.raises(RefusedError) as refused:
        read_runs_id(match)
    assert refused.value.code == "list_stale"
