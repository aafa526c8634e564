"""Exports: what their lines hold, and that a file ends with a whole line."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.runs import Output
from bot.services.exports import ExportFile, csv_line, json_line
from tests.unit.factories import made_run

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# A cell's text as it may be made to break out of its cell, in a program that separates at another character.
HOSTILE = st.lists(st.sampled_from([*FORMULA, *",;|\t\r\n \"'a\0"]), max_size=12).map("".join)


def cells_split_at(separator: str, data: bytes) -> list[str]:
    """Return the file's cells as a program reads them that separates at this character."""
    text = io.StringIO(data.decode(), newline="")
    return [cell for row in csv.reader(text, delimiter=separator) for cell in row]


@given(st.lists(HOSTILE, min_size=2, max_size=4))
def test_no_cell_is_a_formula_wherever_a_program_separates(cells: list[str]) -> None:
    data = csv_line(("id", "deployment")) + csv_line(cells)
    for separator in ",;|\t":
        found = [cell.lstrip(' \t\r\n"\0') for cell in cells_split_at(separator, data)]
        assert not [cell for cell in found if cell.startswith(FORMULA)]


def test_ordinary_text_stays_as_it_is() -> None:
    cells = ["a cat; (sitting:1.2), -blurry - x", 'the "one"', "two\nlines", "2026-11-24T14:04:33+00:00"]
    assert cells_split_at(",", csv_line(cells)) == cells


def test_half_a_surrogate_pair_does_not_break_a_line() -> None:
    assert cells_split_at(",", csv_line(("a\ud83d",))) == ["a?"]
    assert json.loads(json_line({"prompt": "a\ud83d"})) == {"prompt": "a?"}


def test_the_file_ends_with_a_whole_line_and_says_that_it_was_cut() -> None:
    file = ExportFile(b"head\n", size=20)
    assert [file.add(b"1234567\n") for _ in range(3)] == [True, False, False]
    # A smaller line after the first that found no place would leave a gap.
    assert not file.add(b"1\n")
    assert (bytes(file.data), file.lines, file.cut) == (b"head\n1234567\n", 1, True)


def test_a_record_is_a_line_with_ids_as_strings_and_times_in_iso_format() -> None:
    at = datetime(2026, 5, 4, 12, 30, 15, tzinfo=UTC)
    run = made_run(guild_id=1 << 60, created_at=at, inputs={"frame_id": 5, "images": ["a", "b"]})
    told = json.loads(json_line(run, ("guild_id", "decided_by", "created_at", "inputs"), kind="run"))
    assert told == {
        "kind": "run",
        "guild_id": str(1 << 60),
        "decided_by": None,
        "created_at": at.isoformat(),
        "inputs": {"frame_id": 5, "images": ["a", "b"]},
    }
    assert json.loads(json_line({"day": date(2026, 5, 4), "runs": 2})) == {"day": "2026-05-04", "runs": 2}


@pytest.mark.parametrize(
    ("url", "exported"),
    [
        ("https://files.example/a.png?sig=secret#part", "https://files.example/a.png"),
        ("https://minio:s3cret@files.example:9000/a.png", "https://files.example:9000/a.png"),
        ("http://a@b:c@files.example/a.png", "http://files.example/a.png"),
        ("see https://files.example/a.png?sig=1", "see https://files.example/a.png?sig=1"),
    ],
)
def test_links_are_exported_without_what_grants_access(url: str, exported: str) -> None:
    run = made_run(inputs={"image": url}, outputs=(Output("images", url=url),))
    told = json.loads(json_line(run, ("inputs", "outputs")))
    assert (told["inputs"]["image"], told["outputs"][0]["url"]) == (exported, exported)


def test_a_long_text_of_blanks_and_quotes_is_written() -> None:
    for text in (" " * 1_000_000, "\n" * 1_000_000, ' "' * 500_000 + "="):
        assert csv_line((text,))
