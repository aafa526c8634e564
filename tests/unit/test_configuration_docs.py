"""docs/configuration.md says what the settings are now."""

from __future__ import annotations

from bot.config.settings import NAMES
from tools.configuration import TARGET, document, explained


def test_the_reference_is_current() -> None:
    assert TARGET.read_text(encoding="utf-8") == document(), (
        "run `make docs` and commit docs/configuration.md"
    )


def test_every_setting_is_in_it_with_what_it_takes() -> None:
    rows = {
        line.split("`")[1]: line.split(" | ") for line in document().splitlines() if line.startswith("| `")
    }
    assert sorted(name for name, _ in explained()) == sorted(NAMES)
    for name in NAMES:
        _, takes, _, about = rows[name]
        assert takes, name
        assert len(about) > 10, name
    assert rows["WEB_PORT"][1:3] == ["a whole number from 0 to 65535", "`8080`"]
    assert rows["LOG_FORMAT"][1] == "one of text, json"
