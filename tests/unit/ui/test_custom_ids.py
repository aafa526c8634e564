"""Custom_ids are read back as they were written, by their own kind alone."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from bot.domain.moderation import OUTCOMES, AuditAction
from bot.domain.requests import RunFilter
from bot.ui import custom_ids as ids
from bot.ui.audit import AuditFileId, AuditId
from cogs.buttons import FORMS, PRESSES
from tests.unit.ui.messages import KINDS

KEY = "k" * 20
SNOWFLAKE = (1 << 63) - 1
REF = "98244b499b5646b883c8334f274120950123abcd"
FULL = AuditId(
    page=99999,
    subject=SNOWFLAKE,
    actor=SNOWFLAKE,
    deployment="d" * 32,
    outcome=OUTCOMES[-1],
    action=list(AuditAction)[-1],
    since=3650,
    until=3650,
)
RECORDS: list[ids.CustomId] = [
    *(ids.RunId(KEY, action) for action in ids.Action),
    ids.PickId(KEY, 10, 9999),
    ids.DeleteId(KEY, SNOWFLAKE, whole=True, draft="0123abcd"),
    ids.DraftId(KEY),
    ids.DraftId("", "d" * 32, "9", "0123abcd"),
    ids.DraftId(KEY, REF, "9", "0123abcd"),
    *(ids.RunsId(99999, RunFilter.UNDELIVERED, action, KEY) for action in ids.RunListAction),
    ids.OpenId(KEY),
    *(ids.HelpId(page) for page in ids.HelpPage),
    ids.QueueId(9999),
    ids.BlockedId(99999),
    ids.UnblockId(99999, SNOWFLAKE),
    ids.PresetsId(999),
    AuditId(page=0),
    FULL,
    AuditFileId(**asdict(FULL)),
    ids.ReplaceId("0123abcd"),
    ids.SaveId(KEY, "0123abcd"),
    ids.SettingId("home", "open"),
    ids.SettingId("roles", "again", "0123abcd", 3, "x" * 50),
    ids.EraseId(),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.encode())
def test_a_record_fits_and_is_read_back_by_its_kind_alone(record: ids.CustomId) -> None:
    literal = record.encode()
    assert len(literal) <= 100
    assert [found for kind in KINDS if (found := kind.read(literal)) is not None] == [record]


def test_the_table_has_every_kind_and_every_action() -> None:
    assert {type(record) for record in RECORDS} == set(KINDS)
    assert set(ids.Action) == set(PRESSES)
    assert set(FORMS) < set(PRESSES)


FORGED = [
    *("", "\n", "run", "xrun:abc:cancel", "settings:home:open", f"run:{'a' * 21}:cancel"),
    *(f"run:{rest}" for rest in ("abc:explode", "ABC:cancel", "a-b:cancel", "abc:cancel ", "abc:cancel\n")),
    *(
        f"draft:{rest}"
        for rest in ("abc:", "abc:::XYZ:", "a:b:c::", f"a:{'d' * 41}:::", "a:b:10::", "a:b:1::100")
    ),
    *(f"runs:{rest}" for rest in ("0:all:erase:", "-1:all:page:", "100000:all:page:", "0:nothing:page:")),
    *("set:", "set:x", "set:approval:mode", "set:a\nb:open::0:", "set:::::", "set:x:open::x:"),
    *(f"queue:{page}" for page in ("", "-1", "1" * 20)),
    *("presets:1:2", "audit:0:::0:0:0:0:", "audit:0:0:0:100:0:0:0:", "erase:", "erase:1"),
]


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_id_is_of_no_kind(forged: str) -> None:
    assert [kind for kind in KINDS if kind.read(forged) is not None] == []
