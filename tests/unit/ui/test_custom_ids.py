"""Every custom_id as a literal: messages with these ids are in Discord and must keep working."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom

import pytest

from bot.deployments.model import FollowUpRef
from bot.domain.errors import RefusedError
from bot.domain.moderation.audit import AuditAction, AuditButton, AuditCursor, AuditFilter
from bot.domain.pages import Direction, RunCursor, RunFilter, RunsPage
from bot.domain.requests import new_key
from bot.ui import custom_ids as ids
from cogs.buttons import PRESSES

ROOT = Path(__file__).parents[3]
KEY = "abcdefghij234567"
AT = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
WHOLE_SECOND = AT.replace(microsecond=0)
PAGE = RunsPage(RunFilter.UNDELIVERED, Direction.NEWER, RunCursor(AT, KEY))
FULL_FILTER = AuditFilter(
    subject=111,
    actor=222,
    deployment="flux",
    outcome="failed",
    action=AuditAction.BLOCK,
    since=WHOLE_SECOND,
    until=WHOLE_SECOND,
)
EMPTY_FIELDS = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
FULL_FIELDS = "AAZMK8cLrhkAAAAAAAABTQAAAAAAAABvAAAAAAAAAN5pp72_aae9vwsC"
TARGET = "98244b499b5646b883c8334f27412095"
REF = FollowUpRef(TARGET, "0123abcd")
RUN_ACTIONS = (
    "cancel again redeliver approve reject block delete report dismiss edit details use pick repeat clear "
    "vary more numbers discard post share"
)
LITERALS: dict[str, ids.CustomId] = {
    **{
        f"run:abcdefghij234567:{word}": ids.RunId(KEY, ids.Action[word.upper()])
        for word in RUN_ACTIONS.split()
    },
    "share:abcdefghij234567": ids.ShareId(KEY),
    "form:abcdefghij234567:reject": ids.ReviewFormId(KEY, ids.ReviewForm.REJECT),
    "form:abcdefghij234567:block": ids.ReviewFormId(KEY, ids.ReviewForm.BLOCK),
    "edit:abcdefghij234567:": ids.EditId(KEY),
    "edit:abcdefghij234567:0123abcd": ids.EditId(KEY, "0123abcd"),
    "edit:abcdefghij234567:0123abcd:send": ids.EditId(KEY, "0123abcd", send=True),
    "use::9::": ids.UseId("", 9),
    "use:flux:0:abcdefghij234567:": ids.UseId("flux", 0, KEY),
    "use:flux:1:abcdefghij234567:0123abcd": ids.UseId("flux", 1, KEY, "0123abcd"),
    "use:flux:0:::89abcdef": ids.UseId("flux", 0, kept="89abcdef"),
    f"then:abcdefghij234567:{TARGET}0123abcd::": ids.FollowUpId(KEY, REF),
    f"then:abcdefghij234567:{TARGET}0123abcd::89abcdef": ids.FollowUpId(KEY, REF, draft="89abcdef"),
    f"then::{TARGET}0123abcd:9:89abcdef": ids.FollowUpId("", REF, "9", "89abcdef"),
    "then:abcdefghij234567:::": ids.FollowUpId(KEY),
    "runs:page:o:all:0:": ids.RunsId(ids.RunListAction.PAGE, RunsPage()),
    "runs:page:n:undelivered:1772600767000089:abcdefghij234567": ids.RunsId(ids.RunListAction.PAGE, PAGE),
    "runs:cancel:n:undelivered:1772600767000089:abcdefghij234567": ids.RunsId(ids.RunListAction.CANCEL, PAGE),
    "runs:redeliver:n:undelivered:1772600767000089:abcdefghij234567": ids.RunsId(
        ids.RunListAction.REDELIVER, PAGE
    ),
    "runs:open:n:undelivered:1772600767000089:abcdefghij234567": ids.RunsId(ids.RunListAction.OPEN, PAGE),
    "auditopen": ids.OpenId(),
    "queue:12": ids.QueueId(12),
    "blocked:12": ids.BlockedId(12),
    "unblock:123456789012345678:1772600767000089:3": ids.UnblockId(123456789012345678, AT, 3),
    "presets:12": ids.PresetsId(12),
    f"audit:c:{EMPTY_FIELDS}:": ids.AuditId(AuditButton.FILE, AuditFilter()),
    f"audit:n:{EMPTY_FIELDS}:": ids.AuditId(AuditButton.NEWER, AuditFilter()),
    f"audit:o:{FULL_FIELDS}:flux": ids.AuditId(AuditButton.OLDER, FULL_FILTER, AuditCursor(AT, 333)),
    "replace:0123abcd": ids.ReplaceId("0123abcd"),
    "set:home:open": ids.SettingId("home", "open"),
    "set:gpus:form:0:A10G": ids.SettingId("gpus", "form", "0:A10G"),
    "set:roles:again:0123abcd:0:444": ids.SettingId("roles", "again", "0123abcd:0:444"),
    "help:0": ids.HelpId(0),
    "erase:123456789012345678": ids.EraseId(123456789012345678),
}
KINDS = [
    kind
    for kind in vars(ids).values()
    if isinstance(kind, type) and issubclass(kind, ids.CustomId) and kind not in (ids.CustomId, ids.PageId)
]
# New actions and states go to the end: an audit id holds their numbers.
ACTIONS = (
    "request refusal outcome approve reject expire cancel delete report dismiss block unblock settings pause "
    "resume privacy discard share open_private post"
)
OUTCOMES = "succeeded failed cancelled timed_out refused rejected expired unconfirmed"


@pytest.mark.parametrize("literal", LITERALS)
def test_a_record_encodes_to_its_literal_and_is_read_from_it_by_its_codec_alone(literal: str) -> None:
    record = LITERALS[literal]
    assert record.encode() == literal
    assert [found for kind in KINDS if (found := kind.read(literal)) is not None] == [record]


def test_the_table_has_every_kind_and_every_action() -> None:
    assert {type(record) for record in LITERALS.values()} == set(KINDS)
    records = LITERALS.values()
    assert {each.action for each in records if isinstance(each, ids.RunId)} == set(ids.Action) == set(PRESSES)
    assert {each.action for each in records if isinstance(each, ids.RunsId)} == set(ids.RunListAction)
    assert {each.form for each in records if isinstance(each, ids.ReviewFormId)} == set(ids.ReviewForm)


@pytest.mark.parametrize(
    "record",
    [
        ids.RunId(new_key(SystemRandom()), ids.Action.DETAILS),
        ids.ReviewFormId("k" * 20, ids.ReviewForm.REJECT),
        ids.EditId("k" * 20, "0123abcd", send=True),
        ids.UseId("d" * 32, 9, "k" * 20, "0123abcd", "89abcdef"),
        ids.FollowUpId("k" * 20, REF, "9", "0123abcd"),
        ids.RunsId(
            ids.RunListAction.CANCEL,
            RunsPage(RunFilter.WAITING, Direction.NEWER, RunCursor(AT, "k" * 20)),
        ),
        ids.QueueId(9999),
        ids.BlockedId(999999),
        ids.UnblockId((1 << 63) - 1, datetime(9999, 1, 1, tzinfo=UTC), 999999),
        ids.PresetsId(999),
        ids.EraseId((1 << 64) - 1),
    ],
)
def test_the_longest_ids_fit_and_are_read_back(record: ids.CustomId) -> None:
    assert len(record.encode()) <= 100
    assert type(record).read(record.encode()) == record


def test_audit_ids_keep_the_numbers_of_actions_and_outcomes() -> None:
    for number, action in enumerate(ACTIONS.split(), 1):
        literal = ids.AuditId(AuditButton.FILE, AuditFilter(action=AuditAction(action))).encode()
        assert packed(literal)[-2:] == bytes((number, 0))
    for number, outcome in enumerate(OUTCOMES.split(), 1):
        literal = ids.AuditId(AuditButton.FILE, AuditFilter(outcome=outcome)).encode()
        assert packed(literal)[-2:] == bytes((0, number))
    assert len(ACTIONS.split()) == len(AuditAction)


def packed(literal: str) -> bytes:
    """Return the fields that an audit id packs."""
    return base64.urlsafe_b64decode(literal.split(":")[2])


FORGED = [
    *("", "\n", "run", "xrun:abc:cancel", "settings:home:open", f"run:{'a' * 21}:cancel"),
    *(f"run:{rest}" for rest in (":cancel", "abc:explode", "ABC:cancel", "a-b:cancel")),
    *(f"run:abc:cancel{rest}" for rest in (" ", "\n")),
    *(f"form:abc:{form}" for form in ("approve", "")),
    *(f"edit:{rest}" for rest in (":", "abc:XYZ", "abc:0123abcd:sent")),
    *(f"use:{rest}" for rest in ("flux:10::", "flux:::", "a:b:0::", f"{'d' * 33}:0::")),
    *(f"then:abc:{rest}" for rest in ("98244b49:9:", f"{TARGET}0123abcd:10:")),
    f"then:{'a' * 21}:{TARGET}0123abcd::",
    *(f"runs:{rest}" for rest in ("erase:o:all:0:", "page:c:all:0:", "page:o:all:-1:")),
    *(f"queue:{page}" for page in ("", "-1", "12345")),
    *("blocked:1234567", "presets:1234", "presets:1:2", "help:10", "help:x"),
    *(f"audit:o:{rest}" for rest in (f"{'A' * 55}/:", "AAA:", f"{EMPTY_FIELDS}:{'d' * 33}")),
    f"audit:x:{EMPTY_FIELDS}:",
    *(f"erase:{user}" for user in ("", "me", "1" * 21)),
]


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_id_is_of_no_kind(forged: str) -> None:
    assert [kind for kind in KINDS if kind.PATTERN.fullmatch(forged)] == []


@pytest.mark.parametrize(
    ("kind", "forged"),
    [
        (ids.RunsId, "runs:page:o:nothing:0:"),
        (ids.RunsId, "runs:page:o:all:999999999999999999:a"),
        (ids.AuditId, "audit:o:" + "_" * 56 + ":"),
    ],
)
def test_a_forged_value_is_refused_as_out_of_date(kind: type[ids.CustomId], forged: str) -> None:
    with pytest.raises(RefusedError) as refused:
        kind.read(forged)
    assert refused.value.code == "list_stale"


@pytest.mark.parametrize("forged", ["set:", "set:x", "set:approvals:mode", "set:a\nb:c", "set:::"])
def test_a_setting_of_another_version_is_read(forged: str) -> None:
    assert ids.SettingId.read(forged) is not None


def test_no_other_module_builds_or_matches_custom_ids() -> None:
    literal = re.compile(rf"""["'](?:{"|".join({each.partition(":")[0] for each in LITERALS})}):""")
    files = [path for folder in ("bot", "cogs") for path in (ROOT / folder).rglob("*.py")]
    found = {path.parent.name for path in files if literal.search(path.read_text(encoding="utf-8"))}
    assert found == {"custom_ids"}
