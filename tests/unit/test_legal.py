"""The template of a privacy policy tells what the database holds about people, and for how long."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import create_engine, insert, select

from bot.database.tables import alembic_version, metadata, usage
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


def test_what_a_server_sets_is_kept_for_its_period() -> None:
    default = ServerRules().retention_days
    by_period = {name for name, (_, until) in ROWS.items() if "the server's period" in until}
    assert by_period == {"requests", "runs", "messages", "audit"}
    assert {ROWS[name][1] for name in by_period} == {f"the server's period, by default {default} days"}
    (least, most) = ServerRules.model_fields["retention_days"].metadata[0:2]
    assert f"at least {least.ge} and at most {most.le:,} days" in POLICY
    assert f"Requests outside servers are kept for {default} days." in POLICY


def test_usage_is_kept_for_the_days_that_the_policy_names() -> None:
    (days,) = map(int, re.findall(r"^(\d+) days$", ROWS["usage"][1]))
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        usage.create(connection)
        counted = {
            "guild_id": 1,
            "person_id": 2,
            "runs": 1,
            "seconds": 1,
            "weighted_seconds": 1,
            "given_back": 0,
        }
        rows = [{"day": now.date() - timedelta(days=age), **counted} for age in range(days + 3)]
        connection.execute(insert(usage), rows)
        ledger.remove_old(connection, now)
        kept = connection.execute(select(usage.c.day)).scalars()
        assert min(kept) == now.date() - timedelta(days=days)
