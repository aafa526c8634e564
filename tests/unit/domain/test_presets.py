"""How a preset is looked up by its name."""

from __future__ import annotations

import pytest

from bot.domain.requests import folded


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, "noir") for name in (" Noir ", "no\u200dir")),
        *((name, "strasse") for name in ("STRASSE", "straße")),
        ("a\ud83e", "a?"),
    ],
)
def test_a_name_is_found_in_any_case(name: str, expected: str) -> None:
    assert folded(name) == expected
