"""Compare answers to interactions with Discord's own description of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from jsonschema import Draft202012Validator

from tests.fakediscord.interactions import Interaction

_SAMPLE = Path(__file__).parents[1] / "samples" / "discord" / "interaction_callbacks.json"
_VALIDATOR = Draft202012Validator(json.loads(_SAMPLE.read_text(encoding="utf-8")))


def answer_mistakes(interactions: Iterable[Interaction]) -> Iterator[str]:
    """Yield each answer that Discord's schema doesn't allow, with the reason."""
    for each in interactions:
        if each.answer_type is not None:
            body = {"type": int(each.answer_type), "data": each.answer}
            yield from (f"{each.data}: {error.message}" for error in _VALIDATOR.iter_errors(body))
