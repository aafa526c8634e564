"""Outputs: which are kept, in which order, and how much of each."""

from __future__ import annotations

from typing import Any

import pytest

from bot.comfydeploy.reports import MAX_OUTPUTS, MAX_TEXT, MAX_URL, clean_filename, parse_outputs
from bot.domain.runs import Output


def entry(**data: Any) -> dict[str, Any]:
    return {"data": data}


def file(name: str, **more: Any) -> dict[str, Any]:
    return {"url": f"https://cdn.example/{name}", "type": "output", "filename": name, **more}


def test_previews_flags_and_blank_texts_are_no_outputs() -> None:
    preview = {"type": "temp", "filename": "p.png"}
    found = entry(images=[preview, file("t.png", type="temp")], animated=[True], text=["", " \n"])
    assert parse_outputs([found]) == ()


def test_the_same_file_or_text_counts_once() -> None:
    assert len(parse_outputs([entry(images=[file("a.png")], files=[file("a.png")], text=["x", "x"])])) == 2


@pytest.mark.parametrize(
    "odd", [None, {}, "x", [None], ["x"], [{"data": None}], [{"data": {"images": [{}]}}]]
)
def test_unreadable_entries_are_left_out(odd: Any) -> None:
    assert parse_outputs(odd) == ()


LONGEST = "https://x/".ljust(MAX_URL, "y")


@pytest.mark.parametrize("url", ["", "https://x/ y", "https://x/\n", LONGEST + "y", 5, None])
def test_an_invalid_or_overlong_url_is_left_out(url: Any) -> None:
    assert parse_outputs([entry(images=[{"url": url, "type": "output"}])]) == ()
    assert parse_outputs([entry(images=[{"url": LONGEST}])]) == (Output("images", url=LONGEST),)


def test_a_hostile_report_is_bounded() -> None:
    assert len(parse_outputs([entry(text=[*["x"] * 5000, "too late"])])) == 1
    found = parse_outputs([entry(text=[f"{n}" + "x" * (MAX_TEXT * 2) for n in range(3)])])
    assert {len(output.text or "") for output in found} == {MAX_TEXT}
    assert len(parse_outputs([entry(images=[file(f"{n}.png") for n in range(5000)])])) == MAX_OUTPUTS


def test_text_keeps_its_lines_and_loses_control_characters() -> None:
    assert parse_outputs([entry(text=["a\n\tb\x00\x1b c"])])[0].text == "a\n\tb c"


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.png", "a.png"),
        ("a\x00\n.png", "a.png"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        ("..", None),
        ("dir/", None),
        ("", None),
        (7, None),
        (" . a.png. ", "a.png"),
        ("X.X", "X.X"),
        ("x" * 146 + ".png", "x" * 146 + ".png"),
        ("ü " + "x" * 300 + ".png", "ü " + "x" * 144 + ".png"),
        ("v1." + "x" * 300 + ".png", "v1." + "x" * 143 + ".png"),
        ("x" * 300 + ".tenletters", "x" * 139 + ".tenletters"),
        ("x" * 300 + ".elevenchars", "x" * 150),
        ("a." + "x" * 300, "a." + "x" * 148),
        ("x" * 300, "x" * 150),
    ],
)
def test_a_file_name_is_the_last_part_printable_and_at_most_150_long(
    given_name: object, kept: str | None
) -> None:
    assert clean_filename(given_name) == kept
