"""Details: what is in the message, and what only in its file."""

from __future__ import annotations

import pytest

from bot.deployments.choices import input_of
from bot.deployments.model import Deployment
from bot.domain.backend import InputKind
from bot.domain.runs import InputValue
from bot.ui.run_facts import Details, details
from tests.unit.deployments.made import offering
from tests.unit.factories import made_run
from tests.unit.ui.messages import assert_within_limits, text

PROMPT = input_of(key="p", option="prompt", kind=InputKind.TEXT, is_prompt=True)
FLUX = offering(PROMPT)


def shown(inputs: dict[str, InputValue], deployment: Deployment | None = FLUX, *, log: str = "") -> Details:
    run = made_run(inputs=inputs, failure_code="run_failed" if log else None, failure_log=log or None)
    found = details(run, "Flux", deployment, explained=bool(log))
    assert_within_limits(found.layout)
    return found


def test_a_fence_in_the_log_does_not_end_its_block() -> None:
    found = shown({"p": "a fox"}, log="a ``` here")
    assert found.file is None
    assert text(found.layout).count("```") == 2


@pytest.mark.parametrize("prompt", ["x" * 6000, "*" * 3000, "<@1>" * 900], ids=len)
def test_a_long_prompt_is_whole_in_the_file(prompt: str) -> None:
    found = shown({"p": prompt})
    assert found.file is not None
    assert f"prompt:\n{prompt}\n" in found.file


def test_many_inputs_are_whole_in_the_file() -> None:
    found = shown({f"key{n}": "*" * 500 for n in range(60)}, None)
    assert found.file is not None
    assert "key59" in found.file


def test_the_option_of_each_file_is_named() -> None:
    images = input_of(key="i", option="image", kind=InputKind.IMAGES, max_count=2)
    links = [f"https://x/{name}.png" for name in "abc"]
    found = text(shown({"p": "a fox", "i": links}, offering(PROMPT, images)).layout)
    for option, link in zip(("image1", "image2", "image"), links, strict=True):
        assert f"**{option}:** [{link[-5:]}]({link})" in found
