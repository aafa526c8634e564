"""The CSV file of `/audit`: its limits and its cells."""

from __future__ import annotations

import csv
import io

import pytest

from bot.services.moderation.audit import CsvWriter


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
)
def test_no_cell_is_a_formula_to_a_spreadsheet(start: str) -> None:
    writer = CsvWriter(("id", "deployment"))
    writer.add(("1", f"{start}HYPERLINK(A1)"))
    assert rows(writer.file().data) == [["id", "deployment"], ["1", f"'{start}HYPERLINK(A1)"]]


def test_the_file_ends_with_a_whole_line_and_says_that_it_was_cut() -> None:
    by_rows = CsvWriter(("details",), rows=2)
    assert [by_rows.add((str(number),)) for number in range(4)] == [True, True, False, False]
    assert (by_rows.file().rows, by_rows.file().cut) == (2, True)
    by_size = CsvWriter(("details",), size=400)
    while by_size.add(("x" * 90,)):
        pass
    made = by_size.file()
    assert len(made.data) <= 400
    assert len(rows(made.data)) == made.rows + 1 > 1
    # A smaller line after the first that found no place would leave a gap.
    assert not by_size.add(("x",))


def test_half_a_surrogate_pair_does_not_break_the_file() -> None:
    writer = CsvWriter(("deployment",))
    writer.add(("a\ud83d",))
    assert rows(writer.file().data)[1] == ["a?"]
