"""Choose the inputs of a run that a preset keeps, and combine them with what is typed later.

All functions are pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.deployments.input_text import free_texts
from bot.deployments.kinds.base import Typed, Values
from bot.deployments.merge import with_more
from bot.deployments.model import Deployment
from bot.domain.errors import InputError
from bot.domain.presets import NAME_LENGTH, Preset
from bot.domain.runs import InputValue
from bot.domain.text import escape_line

# The gap in a preset's prompt, which the prompt of the next request fills.
GAP = "{prompt}"


def kept_inputs(
    deployment: Deployment, inputs: Values, *, seed: bool, prompt: str | None
) -> tuple[Values, bool]:
    """Return the inputs of a run that a preset keeps, and whether files were left out, whose links expire.

    The seed is kept only if `seed` is set, and `prompt` replaces the run's prompt. Raises InputError if it is
    invalid or the deployment has no prompt.
    """
    kept: dict[str, InputValue] = {}
    files = False
    for item in deployment.offered:
        if item.takes_file:
            files = files or item.key in inputs
        elif item.is_prompt and prompt is not None:
            kept |= item.parse(prompt)
        elif seed or not item.is_seed:
            kept |= item.own(inputs)
    if prompt is not None and deployment.prompt is None:
        raise InputError("preset_no_prompt", title=escape_line(deployment.title, 60))
    return kept, files


def has_gap(deployment: Deployment, preset: Preset) -> bool:
    """Return whether a typed prompt becomes part of the preset's prompt, instead of overriding it."""
    item = deployment.prompt
    return item is not None and GAP in str(preset.inputs.get(item.key))


def fill_gaps(deployment: Deployment, preset: Preset, typed: Typed) -> Typed:
    """Return what was typed, with the prompt put into each gap of the preset's prompt.

    Raises InputError if the prompt is missing or the result is too long.
    """
    item = deployment.prompt
    if item is None or not has_gap(deployment, preset):
        return typed
    prompt, stored = typed.get(item.option), str(preset.inputs[item.key])
    if prompt is None:
        raise InputError("preset_needs_prompt", name=escape_line(preset.name, NAME_LENGTH))
    # Check the length before building the text: 500 gaps and a long prompt make millions of characters.
    length = len(stored) + stored.count(GAP) * (len(str(prompt)) - len(GAP))
    if item.max_length is not None and length > item.max_length:
        raise InputError("input_too_long", option=item.option, length=length, maximum=item.max_length)
    return {**typed, item.option: stored.replace(GAP, str(prompt))}


def own_texts(deployment: Deployment, preset: Preset, typed: Typed) -> Mapping[str, str]:
    """Return the free texts that come from the preset, by option name, with a space for each gap."""
    entered = with_more(deployment, typed)
    used: dict[str, InputValue] = {}
    for item in deployment.offered:
        value = preset.inputs.get(item.key)
        if item.is_prompt and GAP in str(value):
            used[item.key] = str(value).replace(GAP, " ")
        elif value is not None and item.option not in entered and item.fits(preset.inputs):
            used[item.key] = value
    return free_texts(deployment, used)
