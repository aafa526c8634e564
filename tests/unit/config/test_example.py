""".env.example names every setting with its default, and explains it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from dotenv import dotenv_values

from bot.config.settings import NAMES, load_settings
from tests.unit.config.environment import REQUIRED, load, write_env

EXAMPLE = Path(__file__).parents[3] / ".env.example"


def test_the_example_names_every_setting_and_no_other() -> None:
    assert sorted(dotenv_values(EXAMPLE)) == sorted(NAMES)


def test_the_values_of_the_example_are_the_defaults() -> None:
    example = {name: value for name, value in dotenv_values(EXAMPLE).items() if value}
    write_env(**{**example, **REQUIRED})
    from_example = load_settings()
    assert from_example == load()


def test_every_setting_of_the_example_is_explained() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if "=" in line and not line.startswith("#") and not line.startswith("WEB_PORT"):
            assert before.startswith("# "), line
