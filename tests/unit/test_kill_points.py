"""Kill points name methods that exist: at a renamed one no process would ever be killed."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.e2e import kill_points

FILES = sorted(Path(kill_points.__file__).parent.glob("*.py"))
CLASSES = {
    name: value for name, value in vars(kill_points).items() if name.isupper() and isinstance(value, str)
}
_WHOLE = re.compile(r"(bot[\w.]+:\w+\.\w+):(?:before|after)")
_BY_CLASS = re.compile(r"\{([A-Z_]+)\}\.(\w+):")


def points() -> set[str]:
    """Return every `module:Class.method` in the tests of whole processes."""
    found = set()
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        found |= set(_WHOLE.findall(text))
        found |= {f"{CLASSES[name]}.{method}" for name, method in _BY_CLASS.findall(text) if name in CLASSES}
    return found


@pytest.mark.parametrize("point", sorted(points()))
def test_a_kill_point_exists(point: str) -> None:
    module, _, path = point.partition(":")
    owner, method = path.split(".")
    assert callable(getattr(getattr(importlib.import_module(module), owner), method))


def test_the_kill_points_are_found() -> None:
    assert len(points()) >= 15
