"""Run keys, the requests of a batch, presses, channels, and the names of presets."""

from __future__ import annotations

import re
from dataclasses import replace
from random import SystemRandom
from typing import Any

import pytest

from bot.deployments.inputs import AttachedFile
from bot.domain.requests import ChannelState, batch_of, folded, new_key, press_id
from bot.domain.text.file_names import file_behind
from tests.unit.domain.policy_cases import request

CDN, PROXY = "https://cdn.discordapp.com/attachments", "https://media.discordapp.net/attachments"


def test_keys_are_unique_and_sixteen_base32_characters() -> None:
    keys = {new_key(SystemRandom()) for _ in range(2000)}
    assert len(keys) == 2000
    assert all(re.fullmatch(r"[a-z2-7]{16}", key) for key in keys)
    # `{key}-{kind}{marker}` must fit into a nonce, of which Discord takes 25 characters.
    assert len(f"{new_key(SystemRandom())}-lfffffff") <= 25


@pytest.mark.parametrize("count", [2, 3, 20])
def test_a_batch_differs_in_key_inputs_seed_and_index(count: int) -> None:
    asked = request(prompt="a fox", gpu="T4", parent_key="p")
    wanted = [({"n": n}, None if n == 1 else n) for n in range(count)]
    made = batch_of(asked, wanted, SystemRandom())
    assert [(each.inputs, each.seed) for each in made] == wanted
    assert [(each.index, each.count) for each in made] == [(n, count) for n in range(count)]
    own = ("key", "inputs", "seed", "request_key", "index", "count")
    assert all(replace(asked, **{name: getattr(each, name) for name in own}) == each for each in made)
    keys = [each.key for each in made]
    assert keys == sorted(set(keys))
    assert {each.request_key for each in made} == {keys[0]}


def test_a_press_is_the_same_only_for_the_same_action_source_and_values() -> None:
    file = AttachedFile("https://files.test/a.png", "a.png", "image/png", 3)
    typed: dict[str, Any] = {"prompt": "a fox \ud83e", "image": (file,)}  # a lone surrogate
    press = press_id("edit", "abc", typed)
    assert re.fullmatch(r"[0-9a-f]{32}", press)
    assert press == press_id("edit", "abc", dict(reversed(typed.items())))
    assert press_id("again", "abc") == press_id("again", "abc", {})
    others = [
        ("edit", "abc"),
        ("edit", "abd", typed),
        ("edi", "tabc", typed),
        ("edit", "abc", {**typed, "prompt": "a fox"}),
        ("edit", "abc", {**typed, "image": (replace(file, url="https://files.test/b.png"),)}),
    ]
    assert len({press, *(press_id(*pressed) for pressed in others)}) == 6


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        # Discord signs its links anew.
        (f"{CDN}/1/2/a.png?ex=1&hm=2", f"{CDN}/1/2/a.png?ex=3&hm=4", True),
        (f"{CDN}/1/2/a.png?ex=1", f"{PROXY}/1/2/a.png?width=5", True),
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


@pytest.mark.parametrize("obstacle", [{"exists": False}, {"locked": True}, {"missing": ("Embed Links",)}])
def test_the_bot_can_post_unless_something_forbids_it(obstacle: dict[str, Any]) -> None:
    assert ChannelState(age_restricted=True).can_post
    assert not ChannelState(**obstacle).can_post


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, "noir") for name in (" Noir ", "no\u200dir")),
        *((name, "strasse") for name in ("STRASSE", "straße")),
        ("a\ud83e", "a?"),
    ],
)
def test_a_presets_name_is_found_in_any_case(name: str, expected: str) -> None:
    assert folded(name) == expected
