"""Run keys, the requests of a batch, presses, and the names of presets."""

from __future__ import annotations

import re
from dataclasses import replace
from random import SystemRandom
from typing import Any

from bot.deployments.inputs import AttachedFile
from bot.domain.requests import batch_of, is_key, new_key, press_id
from bot.domain.runs import RunState
from bot.domain.text import folded
from tests.unit.factories import made_run


def test_keys_are_unique_and_sixteen_base32_characters() -> None:
    keys = {new_key(SystemRandom()) for _ in range(2000)}
    assert len(keys) == 2000
    # `{key}-{kind}{marker}` must fit into a nonce, of which Discord takes 25 characters.
    assert all(re.fullmatch(r"[a-z2-7]{16}", key) for key in keys)
    assert {len(set(column)) for column in zip(*keys, strict=True)} == {32}
    assert all(map(is_key, keys))
    assert not any(map(is_key, ("", "a" * 15, "A" * 16)))


def test_a_batch_differs_in_key_inputs_seed_and_index() -> None:
    asked = made_run(RunState.WAITING, prompt="a fox", gpu="T4", parent_key="p")
    wanted = [({"n": n}, None if n == 1 else n) for n in range(20)]
    made = batch_of(asked, wanted, SystemRandom())
    keys = [run.key for run in made]
    assert keys == sorted(set(keys))
    for index, (run, (inputs, seed)) in enumerate(zip(made, wanted, strict=True)):
        own = {"key": keys[index], "index": index, "inputs": inputs, "seed": seed}
        assert run == replace(asked, request_key=keys[0], count=20, **own)


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


def test_a_presets_name_is_found_in_any_case() -> None:
    names = {" Noir ": "noir", "no\u200dir": "noir", "straße": "strasse", "a\ud83e": "a?"}
    assert {name: folded(name) for name in names} == names
