"""Outputs: which are kept, in which order, and how much of each."""

from __future__ import annotations

from typing import Any

import pytest

from bot.comfydeploy import reports
from bot.comfydeploy.reports import MAX_OUTPUTS, MAX_TEXT, MAX_URL, clean_filename, parse_outputs
from bot.domain.runs import Output


def entry(**data: Any) -> dict[str, Any]:
    return {"data": data}


def file(name: str, **more: Any) -> dict[str, Any]:
    return {"url": f"https://cdn.example/{name}", "type": "output", "filename": name, **more}


LONGEST = "https://x/".ljust(MAX_URL, "y")
INVALID = ("", "https://x/ y", "https://x/\n", LONGEST + "y", 5, None)


@pytest.mark.parametrize(
    "odd",
    [
        *(None, {}, "x", [None], ["x"], [{"data": None}], [entry(images=[{}])]),
        # Previews, flags and blank texts.
        [entry(images=[{"type": "temp", "filename": "p.png"}, file("t.png", type="temp")])],
        [entry(animated=[True], text=["", " \n"])],
        *([entry(images=[{"url": url, "type": "output"}])] for url in INVALID),
    ],
    ids=range(15),
)
def test_what_is_no_output_is_left_out(odd: Any) -> None:
    assert parse_outputs(odd) == ()


def test_outputs_are_kept_once_up_to_their_limits() -> None:
    assert parse_outputs([entry(images=[{"url": LONGEST}])]) == (Output("images", url=LONGEST),)
    assert parse_outputs([entry(text="a\n\tb\x00\x1b c")])[0].text == "a\n\tb c"
    twice = parse_outputs([entry(images=[file("a.png")], files=[file("a.png")], text=["x", "x"])])
    assert [output.kind for output in twice] == ["images", "text"]
    assert len(parse_outputs([entry(text=[*["x"] * 5000, "too late"])])) == 1
    assert len(parse_outputs([entry(images=[file(f"{n}.png") for n in range(5000)])])) == MAX_OUTPUTS
    texts = [letter * (MAX_TEXT + 1) for letter in "abcdef"]
    found = parse_outputs([entry(text=[*texts, "short"], images=[{"url": "https://x/a"}])])
    assert max(len(output.text or "") for output in found) == MAX_TEXT
    assert sum(len(output.text or "") for output in found) == reports.MAX_ALL_TEXT
    assert found[-1] == Output("images", url="https://x/a")


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("../../etc/XpasswdX", "XpasswdX"),
        ("C:\\temp\\a.png", "a.png"),
        ("a\x00\n.png", "a.png"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        *((none, None) for none in ("..", "dir/", "", 7)),
        (" . a.png. ", "a.png"),
        ("x" * 146 + ".png", "x" * 146 + ".png"),
        ("v1." + "x" * 300 + ".png", "v1." + "x" * 143 + ".png"),
        ("x" * 300 + ".tenletters", "x" * 139 + ".tenletters"),
        ("x" * 300 + ".elevenchars", "x" * 150),
        ("x" * 300, "x" * 150),
    ],
)
def test_a_file_name_is_the_last_part_printable_and_at_most_150_long(
    given_name: object, kept: str | None
) -> None:
    assert clean_filename(given_name) == kept
