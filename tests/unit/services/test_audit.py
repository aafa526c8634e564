"""The CSV file of `/audit`: its limits and its cells."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.services.moderation.audit import CsvWriter


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# A cell's text as it may be made to break out of its cell, in a program that separates at another character.
HOSTILE = st.lists(st.sampled_from([*FORMULA, *",;|\t\r\n \"'a\0"]), max_size=12).map("".join)


def cells_split_at(separator: str, data: bytes) -> list[str]:
    """Return the file's cells as a program reads them that separates at this character."""
    text = io.StringIO(data.decode("utf-8-sig"), newline="")
    return [cell for row in csv.reader(text, delimiter=separator) for cell in row]


@pytest.mark.parametrize("start", FORMULA)
def test_no_cell_is_a_formula_to_a_spreadsheet(start: str) -> None:
    writer = CsvWriter(("id", "deployment"))
    writer.add(("1", f"{start}HYPERLINK(A1)"))
    assert rows(writer.file().data) == [["id", "deployment"], ["1", f"'{start}HYPERLINK(A1)"]]


@given(st.lists(HOSTILE, min_size=2, max_size=4))
def test_no_cell_is_a_formula_wherever_a_program_separates(cells: list[str]) -> None:
    writer = CsvWriter(("id", "deployment"))
    writer.add(cells)
    data = writer.file().data
    for separator in ",;|\t":
        found = [cell.lstrip(' \t\r\n"\0') for cell in cells_split_at(separator, data)]
        assert not [cell for cell in found if cell.startswith(FORMULA)]


def test_ordinary_text_stays_as_it_is() -> None:
    cells = ["a cat; (sitting:1.2), -blurry - x", 'the "one"', "two\nlines", "2026-11-24T14:04:33+00:00"]
    writer = CsvWriter(("a", "b", "c", "d"))
    writer.add(cells)
    text = io.StringIO(writer.file().data.decode("utf-8-sig"), newline="")
    assert list(csv.reader(text))[1] == cells


def test_a_long_text_of_blanks_and_quotes_is_written() -> None:
    writer = CsvWriter(("a",))
    for text in (" " * 1_000_000, "\n" * 1_000_000, ' "' * 500_000 + "="):
        assert writer.add((text,))


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
