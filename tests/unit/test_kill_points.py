"""Kill points name methods that exist: at a renamed one no process would ever be killed."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parents[1] / "e2e").glob("*.py"))
_CLASS = re.compile(r'^([A-Z_]+) = "(bot[\w.]+:\w+)"$', re.MULTILINE)
_WHOLE = re.compile(r"(bot[\w.]+:\w+\.\w+):(?:before|after)")
_BY_CLASS = re.compile(r"\{([A-Z_]+)\}\.(\w+):")


def points() -> set[str]:
    """Return every `module:Class.method` in the tests of whole processes."""
    texts = [path.read_text(encoding="utf-8") for path in FILES]
    classes = {name: value for text in texts for name, value in _CLASS.findall(text)}
    whole = {point for text in texts for point in _WHOLE.findall(text)}
    by_class = {found for text in texts for found in _BY_CLASS.findall(text)}
    return whole | {f"{classes[name]}.{method}" for name, method in by_class}


@pytest.mark.parametrize("point", sorted(points()))
def test_a_kill_point_exists(point: str) -> None:
    module, _, path = point.partition(":")
    owner, method = path.split(".")
    assert callable(getattr(getattr(importlib.import_module(module), owner), method))


def test_the_kill_points_are_found() -> None:
    assert len(points()) > 20
