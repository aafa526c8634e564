"""Identify a deployment's prompt, negative prompt and seeds by `deployments.toml` or the inputs' names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.deployments.compile.inputs import InputDraft
from bot.domain.backend import InputKind

_SEED = re.compile(r"(^|[^a-z])seed($|[^a-z])")
_NEGATIVE = re.compile(r"(^|[^a-z])neg(ative)?($|[^a-z])")


def with_markers(drafts: Sequence[InputDraft]) -> list[InputDraft]:
    """Mark the prompt, the negative prompt and the seeds.

    The prompt becomes required and seeds become optional, unless the file sets `required`.
    """
    prompt = _prompt(drafts)
    return [_marked(draft, is_prompt=draft is prompt) for draft in drafts]


def _prompt(drafts: Iterable[InputDraft]) -> InputDraft | None:
    texts = [draft for draft in drafts if draft.input.kind is InputKind.TEXT and draft.input.offered]
    for draft in texts:
        if draft.config.prompt:
            return draft
    ranked = [
        (rank, draft) for draft in texts if _may_be_prompt(draft) and (rank := prompt_rank(draft)) is not None
    ]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _may_be_prompt(draft: InputDraft) -> bool:
    return draft.config.prompt is None and not draft.input.choices


def _marked(draft: InputDraft, *, is_prompt: bool) -> InputDraft:
    item, config = draft.input, draft.config
    named = _names_seed(*draft.names) and not item.choices
    is_seed = item.kind is InputKind.INTEGER and (named if config.seed is None else config.seed)
    required = item.required
    if config.required is None and item.offered:
        required = is_prompt or (required and not is_seed)
    marked = replace(
        item,
        is_prompt=is_prompt,
        is_negative_prompt=item.kind is InputKind.TEXT and not is_prompt and _is_negative(draft.names),
        is_seed=is_seed,
        required=required,
    )
    return draft.with_input(marked)


def prompt_rank(draft: InputDraft) -> int | None:
    """Return how likely an input is to be the prompt: 0 is the likeliest, and None means not at all.

    The names `prompt` and `positive…` rank first, then names that contain `prompt`, then multi-line texts.
    """
    if _is_negative(draft.names):
        return None
    lowered = [name.lower().strip() for name in draft.names]
    if any(name == "prompt" or name.startswith("positive") for name in lowered):
        return 0
    if any("prompt" in name for name in lowered):
        return 1
    return 2 if draft.input_class is not None and draft.input_class.multi_line else None


def _names_seed(*names: str) -> bool:
    """Return whether one of the names contains `seed` as a word."""
    return any(_SEED.search(name.lower()) for name in names)


def _is_negative(names: tuple[str, ...]) -> bool:
    return any(_NEGATIVE.search(name.lower()) for name in names)
