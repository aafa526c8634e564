"""The CSV file of `/audit`."""

from __future__ import annotations

import csv
import io

import pytest

from bot.services.audit import CsvWriter
from tests.unit.factories import made_entry

LARGEST = (1 << 63) - 1


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def test_the_file_holds_what_the_record_holds() -> None:
    writer = CsvWriter()
    assert writer.add(
        made_entry(
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
    writer.add(made_entry(deployment=f"{start}HYPERLINK(A1)"))
    assert rows(writer.file().data)[1][5] == f"'{start}HYPERLINK(A1)"


def test_the_file_ends_with_a_whole_line_and_says_that_it_was_cut() -> None:
    by_rows = CsvWriter(rows=2)
    assert [by_rows.add(made_entry(number)) for number in range(4)] == [True, True, False, False]
    assert (by_rows.file().rows, by_rows.file().cut) == (2, True)
    by_size = CsvWriter(size=400)
    while by_size.add(made_entry(details={"reason": "x" * 30})):
        pass
    made = by_size.file()
    assert len(made.data) <= 400
    assert len(rows(made.data)) == made.rows + 1 > 1
    # A smaller line after the first that found no place would leave a gap.
    assert not by_size.add(made_entry())


def test_half_a_surrogate_pair_does_not_break_the_file() -> None:
    writer = CsvWriter()
    writer.add(made_entry(deployment="a\ud83d"))
    assert rows(writer.file().data)[1][5] == "a?"
