"""The picture of the packages in the document. pyproject.toml has the rules, as import contracts."""

from __future__ import annotations

from tools.architecture import DOCUMENT, written


def test_the_picture_of_the_packages_is_up_to_date() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert written(text) == text, "run `make docs`"
