"""The template of a privacy policy tells what the database holds about people, and for how long."""

from __future__ import annotations

import re

from bot.database.tables import alembic_version, metadata
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store import ledger
from tests.unit.test_docs import ROOT

POLICY = (ROOT / "docs" / "legal" / "privacy-policy.md").read_text(encoding="utf-8")
ROWS = {
    cells[2].strip(" `"): (cells[0], cells[1].strip())
    for line in POLICY.splitlines()
    if line.startswith("| ") and line.endswith("` |")
    for cells in [line.strip("|").split("|")]
}
_PERSON = re.compile(r"(requester|person|holder|actor|subject|user)_id|\w+_by")


def test_every_table_about_people_is_in_the_policy() -> None:
    about_people = {
        name
        for name, table in metadata.tables.items()
        if any(_PERSON.fullmatch(column.name) for column in table.columns)
    }
    assert set(ROWS) == about_people
    (others,) = re.findall(r"hold nothing about users: (.*)\.", POLICY)
    assert set(re.findall(r"`(\w+)`", others)) == {*metadata.tables, alembic_version.name} - about_people


def test_the_periods_are_those_of_the_code() -> None:
    default = ServerRules().retention_days
    of_the_server = f"the server's period, by default {default} days"
    assert {name for name, row in ROWS.items() if row[1] == of_the_server} == {
        *("requests", "runs", "messages", "audit")
    }
    assert ROWS["usage"][1] == f"{ledger._KEPT.days} days"
