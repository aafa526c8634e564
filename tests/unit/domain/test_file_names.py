"""The names of results' files, and the run keys in them."""

from __future__ import annotations

from random import SystemRandom

import pytest

from bot.domain.requests import new_key
from bot.domain.text.file_names import belongs_to, file_stem, key_in, keys_in_links, without_suffix

KEY = "abcdefghij234567"
NAME = f"{file_stem('flux-pro', KEY, 12)}.png"


@pytest.mark.parametrize("name", [NAME, f"SPOILER_{NAME}", f"https://cdn.example/1-2.3/{NAME}?ex=a-b-1.png"])
def test_a_name_says_which_run_made_the_file(name: str) -> None:
    assert key_in(name) == KEY
    assert belongs_to(name, KEY)
    assert not belongs_to(name, new_key(SystemRandom()))


def test_the_file_of_the_texts_belongs_to_its_run() -> None:
    name = f"{file_stem('flux', KEY)}.txt"
    assert belongs_to(name, KEY)
    assert without_suffix(name) == f"flux-{KEY}"


@pytest.mark.parametrize("name", ["", "cat.png", "my-cat.png", f"{NAME}/", f"{KEY}-1.png", f"a-{KEY}-1"])
def test_other_names_say_nothing(name: str) -> None:
    assert key_in(name) == ""


def test_keys_are_read_from_links_alone() -> None:
    link = f"https://cdn.example/{NAME}?ex=1"
    assert keys_in_links([NAME, 5, True, "https://cdn.example/cat.png"]) == frozenset()
    assert keys_in_links([[link, "a cat"], 5]) == {KEY}
