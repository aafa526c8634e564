"""All rows of a database, and how they differ from what they were, in lines that a person can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from textwrap import TextWrapper
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select

from bot.database.tables import metadata
from bot.domain.messages import Attempt, MessageRef, Part
from tests.contract.store.rows import BOB, GUILD, MOD
from tests.contract.store.runs import NOW, PERSON, request

Rows = Mapping[Table, Sequence[Mapping[str, Any]]]
NAMES = {GUILD: "the server", PERSON.id: "the person", MOD: "a moderator", MOD + 1: "another", BOB: "bob"}
# Columns that are random, only say when a row was written, or are part of its name.
IGNORED = {"claim_id", "interaction_id", "since", "request_key", "purpose", "action", "actor_id"}
# Numbers whose difference is shown.
COUNTED = {
    "wanted_rev",
    "shown_rev",
    "failures",
    "runs",
    "seconds",
    "weighted_seconds",
    "checks",
    "virtual_time",
}
# Values that aren't worth mentioning in a new row.
TIMES = dict.fromkeys(("at", "due_at", "set_at"), NOW)
PERSONS = dict.fromkeys(("subject_id", "created_by"), PERSON.id)
USUAL: Mapping[str, Any] = {**asdict(request(key="x")), **TIMES, **PERSONS, "wanted_rev": 1}
NOTHING: tuple[object, ...] = (None, 0, (), [], {})
LINE = TextWrapper(106, "    ", "        ", break_long_words=False, break_on_hyphens=False)


def read_all(connection: Connection) -> Rows:
    queries = {each: select(each).order_by(*each.primary_key) for each in metadata.sorted_tables}
    return {each: [dict(row) for row in connection.execute(queries[each]).mappings()] for each in queries}


def put_back(connection: Connection, rows: Rows) -> None:
    """Replace all rows by these."""
    for table in reversed(metadata.sorted_tables):
        connection.execute(delete(table))
    for table, found in rows.items():
        if found:
            connection.execute(insert(table), found)


def changes(before: Rows, after: Rows) -> list[str]:
    """Return what is new, changed or gone. Rows with the same change share a line."""
    names: dict[str, list[str]] = {}
    for table in before:
        key = [column.name for column in table.primary_key]
        old, new = (
            {tuple(row[name] for name in key): row for row in rows[table]} for rows in (before, after)
        )
        for each in sorted(old.keys() | new.keys()):
            if what := _change(key, old.get(each), new.get(each)):
                names.setdefault(what, []).append(_name(table, new.get(each) or old[each]))
    return sorted(f"{', '.join(dict.fromkeys(rows))}: {what}" for what, rows in names.items())


def wrapped(lines: Sequence[str]) -> str:
    return "".join(f"{LINE.fill(line)}\n" for line in lines)


def _change(key: Sequence[str], was: Mapping[str, Any] | None, row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "gone"
    shown = {name: value for name, value in row.items() if name not in {*key, *IGNORED}}
    if was is None:
        told = {name: value for name, value in shown.items() if value not in (*NOTHING, USUAL.get(name))}
        return " ".join(["new", *_said({}, told)])
    return " ".join(_said(was, {name: shown[name] for name in shown if shown[name] != was[name]}))


def _said(was: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    said = []
    for name, value in new.items():
        before = was.get(name)
        if name in COUNTED and before is not None:
            said.append(f"{name}{value - before:+g}")
        else:
            said.append(f"{name}={_value(value)}" if name != "rules" else name)
    return said


def _name(table: Table, row: Mapping[str, Any]) -> str:
    match table.name:
        case "audit":
            by = f" by {_value(row['actor_id'])}" if row["actor_id"] else ""
            return f"audit {row['action']}{by}"
        case "messages":
            number = f" {row['number']}" if row["number"] else ""
            return f"{row['purpose']} of {row['request_key']}{number}"
        case "presets":
            return f"preset {row['name']} of {_value(row['holder_id'])}"
        case "usage":
            return (
                f"usage of {_value(row['person_id']) if row['person_id'] else 'the bot'} {_value(row['day'])}"
            )
        case name:
            keys = (str(_value(row[column.name])) for column in table.primary_key)
            return " ".join([name.removesuffix("s"), *keys])


def _value(value: Any) -> object:
    match value:
        case datetime():
            return f"{(value - NOW).total_seconds():g}s"
        case date():
            return f"{(value - NOW.date()).days:+d}d"
        case Attempt():
            return value.part.message_id
        case Part() | MessageRef():
            return value.message_id
        case tuple() | list():
            return [_value(each) for each in value]
        case {"url": str(url)}:
            return url.rpartition("/")[2]
        case int() if value in NAMES:
            return NAMES[value]
        case _:
            return value
