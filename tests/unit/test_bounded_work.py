"""Work on what members, server owners and ComfyDeploy send is bounded: by lengths that are checked first, by
numbers of steps, and in threads of its own. How long it takes is measured by `make bench ARGS=lag`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.comfydeploy import deployments, reports
from bot.deployments.choices import find_choice
from bot.deployments.schema import Choice
from bot.domain.runs import Output
from bot.domain.text import NUMBER_LENGTH
from bot.words.rules import compile_pattern


@pytest.mark.parametrize("length", [NUMBER_LENGTH, NUMBER_LENGTH + 1])
def test_only_a_short_text_is_read_as_a_number(length: int) -> None:
    """Two hundred choices and 6,000 digits stopped the bot for nearly two minutes."""
    digits = "1" * (length - 2)
    found = find_choice((Choice(name="large", value=f"{digits}.0"),), digits + ".")
    assert (found is not None) is (length <= NUMBER_LENGTH)


def test_only_a_limited_number_of_items_in_a_report_is_read() -> None:
    picture = {"url": "https://files.example/a.png", "type": "output"}

    def kept(*entries: object) -> int:
        return len(reports.parse_outputs(list(entries)))

    last = {"data": {"images": [picture]}}
    assert kept({"data": {"flags": [1] * 1000}}, *([{}] * 1000), last) == 1
    assert kept({"data": {"flags": [1] * reports.MAX_ITEMS}}, last) == 0
    assert kept(*([{}] * reports.MAX_ITEMS), last) == 0
    assert kept({"data": {f"k{number}": [] for number in range(reports.MAX_ITEMS)}}, last) == 0


def test_the_texts_of_a_report_have_a_common_limit() -> None:
    texts = [letter * reports.MAX_TEXT for letter in "abcdef"]
    found = reports.parse_outputs([{"data": {"text": [*texts, "short"], "images": [{"url": "https://x/a"}]}}])
    assert sum(len(output.text or "") for output in found) == reports.MAX_ALL_TEXT
    assert found[-1] == Output("images", url="https://x/a")


def described(*nodes: dict[str, Any]) -> Any:
    body = json.dumps({"id": "x", "input_types": list(nodes)}).encode()
    return deployments.parse_deployment(body).inputs


def test_a_description_is_cut_to_what_can_be_offered() -> None:
    def node(key: str, **more: Any) -> dict[str, Any]:
        return {"input_id": key, "class_type": "ComfyUIDeployExternalEnum", **more}

    assert len(described(*(node(f"{number}") for number in range(1000)))) == deployments.MAX_INPUTS
    assert described(node("k" * (deployments.MAX_KEY + 1))) == ()
    long = "x" * 10_000
    (one,) = described(node("a", display_name=long, description=long, enum_options=[long, "short"]))
    assert (len(one.display_name), len(one.description)) == (deployments.MAX_TEXT,) * 2
    assert one.choices == ("short",)
    (one,) = described(node("a", default_value=long))
    assert (one.default, one.has_hidden_default) == (None, True)
    options = [str(number) for number in range(5000)]
    many = described(*(node(f"{number}", enum_options=options) for number in range(10)))
    assert len(many[0].choices) == deployments.MAX_OPTIONS
    assert sum(len(each.choices) for each in many) == deployments.MAX_ALL_OPTIONS


@pytest.mark.parametrize("pattern", [r"(?i)\pL{250}", r"(?i)(?:\pL\pN\pS){80}", r"\PL{1000}"])
def test_a_pattern_that_takes_long_to_compile_is_refused_within_little_memory(pattern: str) -> None:
    assert compile_pattern(pattern) == "regex_too_large"
