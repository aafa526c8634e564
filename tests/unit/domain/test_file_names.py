"""The names of results' files, the run keys in them, and which links lead to the same file."""

from __future__ import annotations

import pytest

from bot.domain.text.file_names import (
    belongs_to,
    file_behind,
    file_stem,
    key_in,
    keys_in_links,
    without_suffix,
)

KEY, OTHER = "abcdefghij234567", "bcdefghij234567a"
NAME = f"{file_stem('flux-pro', KEY, 12)}.png"
CDN, PROXY = "https://cdn.discordapp.com/attachments", "https://media.discordapp.net/attachments"


@pytest.mark.parametrize("name", [NAME, f"SPOILER_{NAME}", f"https://cdn.example/1-2.3/{NAME}?ex=a-b-1.png"])
def test_a_name_says_which_run_made_the_file(name: str) -> None:
    assert key_in(name) == KEY
    assert belongs_to(name, KEY)
    assert not belongs_to(name, OTHER)


def test_the_file_of_the_texts_belongs_to_its_run() -> None:
    name = f"{file_stem('flux', KEY)}.txt"
    assert belongs_to(name, KEY)
    assert without_suffix(name) == f"flux-{KEY}"


@pytest.mark.parametrize("name", ["", "my-cat.png", f"{NAME}/", f"{KEY}-1.png", f"a-{KEY}-1"])
def test_other_names_say_nothing(name: str) -> None:
    assert key_in(name) == ""


def test_keys_are_read_from_links_alone() -> None:
    link = f"https://cdn.example/{NAME}?ex=1"
    assert keys_in_links([NAME, 5, True, "https://cdn.example/cat.png"]) == frozenset()
    assert keys_in_links([[link, "a cat"], 5]) == {KEY}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        # Discord signs its links anew.
        (f"{CDN}/1/2/a.png?ex=1&hm=2", f"{PROXY}/1/2/a.png?width=5", True),
        (f"{CDN}/1/2/a.png", f"{CDN}/1/3/a.png", False),
        # A file of a result has the same name in all its messages.
        (f"{CDN}/1/2/flux-k3v9-1.png?ex=1", f"{CDN}/4/5/flux-k3v9-1.png", True),
        (f"{CDN}/1/2/flux-k3v9-1.png", f"{CDN}/1/2/flux-k3v9-2.png", False),
        # Elsewhere, the query may name the file.
        ("https://comfy.test/view?filename=a.png", "https://comfy.test/view?filename=b.png", False),
    ],
)
def test_a_file_is_the_same_behind_each_of_its_links(one: str, other: str, same: bool) -> None:
    assert (file_behind(one) == file_behind(other)) is same
