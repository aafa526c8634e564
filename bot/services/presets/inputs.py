"""Choose the inputs of a run that a preset keeps, and merge them into later requests.

All functions are pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bot.deployments.input_text import free_texts, parse_more
from bot.deployments.inputs import RawValue, check_gpu
from bot.deployments.model import ATTACHMENTS, Deployment, Input, OfferedValue
from bot.deployments.options import GPU, MORE
from bot.deployments.size_conversion import as_offered, as_sent
from bot.deployments.validation import check_value, takes_value
from bot.domain.errors import InputError
from bot.domain.presets import NAME_LENGTH, Preset
from bot.domain.runs import InputValue
from bot.domain.text import escape_line

# The gap in a preset's prompt, which the prompt of the next request fills.
GAP = "{prompt}"


@dataclass(frozen=True, slots=True)
class KeptInputs:
    """The inputs that a preset keeps, by input key. `files` means that files were left out, since their links
    expire.
    """

    inputs: Mapping[str, InputValue]
    files: bool


@dataclass(frozen=True, slots=True)
class AppliedPreset:
    """The options of `/generate` merged with a preset's inputs, and the inputs of the preset that the
    deployment no longer accepts.

    `texts` are the free texts that come from the preset, by option name, with a space for each gap.
    """

    options: Mapping[str, RawValue]
    dropped: Sequence[str]
    texts: Mapping[str, str]


def kept_inputs(
    deployment: Deployment, inputs: Mapping[str, InputValue], *, seed: bool, prompt: str | None
) -> KeptInputs:
    """Return the inputs of a run that a preset keeps: no files, and the seed only if `seed` is set.

    `prompt` replaces the run's prompt. Raises InputError if it is invalid or the deployment has no prompt.
    """
    offered = as_offered(deployment, inputs)
    kept: dict[str, OfferedValue] = {}
    files = False
    for item in deployment.offered:
        value = offered.get(item.key)
        if item.is_prompt and prompt is not None:
            value = check_value(item, prompt)
        if value is None or (item.is_seed and not seed):
            continue
        if item.kind in ATTACHMENTS:
            files = True
        else:
            kept[item.key] = value
    if prompt is not None and prompt_input(deployment) is None:
        raise InputError("preset_no_prompt", title=escape_line(deployment.title, 60))
    return KeptInputs(as_sent(deployment, kept), files)


def prompt_input(deployment: Deployment) -> Input | None:
    """Return the deployment's prompt input, or None."""
    return next((item for item in deployment.offered if item.is_prompt), None)


def apply_preset(deployment: Deployment, preset: Preset, options: Mapping[str, RawValue]) -> AppliedPreset:
    """Merge a preset into typed options, which override it. A typed prompt fills the gaps in the preset's
    prompt.

    Raises InputError if there is no prompt for a gap, if the filled prompt is too long, or if `more` can't be
    parsed.
    """
    items = {item.key: item for item in deployment.offered if item.kind not in ATTACHMENTS}
    typed = {word.casefold() for word, _ in parse_more(str(options.get(MORE, "")))}
    merged = dict(options)
    dropped: list[str] = []
    own: dict[str, InputValue] = {}
    for key, value in as_offered(deployment, preset.inputs).items():
        item = items.get(key)
        if item is None:
            dropped.append(key)
        elif item.is_prompt and GAP in str(value):
            merged[item.option] = _fill_gaps(item, preset, str(value), options.get(item.option))
            own[key] = str(value).replace(GAP, " ")
        elif item.option not in options and not typed & {item.option, key.casefold()}:
            if _fits(item, value) and not isinstance(value, list):
                merged[item.option] = value
                own[key] = str(value)
            else:
                dropped.append(item.option)
    if preset.gpu is not None and GPU not in options:
        if _offered_gpu(deployment, preset.gpu):
            merged[GPU] = preset.gpu
        else:
            dropped.append(GPU)
    return AppliedPreset(merged, dropped, free_texts(deployment, own))


def gives(
    deployment: Deployment,
    preset: Preset,
    inputs: Mapping[str, InputValue],
    gpu: str | None,
    wanted: tuple[Mapping[str, InputValue], str | None],
) -> bool:
    """Return whether a request that types these inputs and this GPU gets the `wanted` ones with the preset.

    Files don't matter, since a preset has none.
    """
    try:
        applied = apply_preset(deployment, preset, _options(deployment, inputs, gpu))
    except InputError:
        return False
    return applied.options == _options(deployment, *wanted)


def left_to_type(
    deployment: Deployment,
    preset: Preset,
    inputs: Mapping[str, InputValue],
    gpu: str | None,
    required: Collection[str],
) -> tuple[Mapping[str, InputValue], str | None] | None:
    """Return the inputs and the GPU that a request with the preset must type to get these.

    They include the `required` options. Returns None if the preset can't give these inputs.
    """
    saved = as_offered(deployment, preset.inputs)
    typed: dict[str, OfferedValue] = {}
    for key, value in as_offered(deployment, inputs).items():
        item = next((each for each in deployment.offered if each.key == key), None)
        if item is None:
            continue
        stored = saved.get(key)
        if item.is_prompt and GAP in str(stored):
            typed[key] = _typed_into(str(stored), str(value))
        elif value != stored or item.option in required:
            typed[key] = value
    left = as_sent(deployment, typed), gpu if gpu != preset.gpu else None
    return left if gives(deployment, preset, *left, (inputs, gpu)) else None


def _options(
    deployment: Deployment, inputs: Mapping[str, InputValue], gpu: str | None
) -> dict[str, RawValue]:
    """Return stored inputs without files as the options of `/generate`."""
    options: dict[str, RawValue] = {GPU: gpu} if gpu is not None else {}
    offered = as_offered(deployment, inputs)
    for item in deployment.offered:
        value = offered.get(item.key)
        if value is not None and not isinstance(value, list) and item.kind not in ATTACHMENTS:
            options[item.option] = value
    return options


def _typed_into(stored: str, prompt: str) -> str:
    """Return the text that makes a prompt of a stored one if it is put into each gap, if there is one."""
    before, *rest = stored.split(GAP)
    length = (len(prompt) - len(before) - sum(map(len, rest))) // len(rest)
    return prompt[len(before) :][: max(length, 0)]


def replaced_inputs(deployment: Deployment, preset: Preset, required: Collection[str]) -> Sequence[Input]:
    """Return the inputs whose saved value is always replaced, because their options are `required`.

    A prompt with a gap isn't among them, because the typed prompt fills the gap.
    """
    saved = as_offered(deployment, preset.inputs)
    return [
        item
        for item in deployment.offered
        if item.option in required
        and item.key in saved
        and not (item.is_prompt and GAP in str(saved[item.key]))
    ]


def has_gap(deployment: Deployment, preset: Preset) -> bool:
    """Return whether a typed prompt becomes part of the preset's prompt, instead of overriding it."""
    item, saved = prompt_input(deployment), as_offered(deployment, preset.inputs)
    return item is not None and GAP in str(saved.get(item.key))


def _fill_gaps(item: Input, preset: Preset, stored: str, typed: RawValue | None) -> str:
    """Put the typed prompt into each gap. Raises InputError if it is missing or the result is too long."""
    if typed is None:
        raise InputError("preset_needs_prompt", name=escape_line(preset.name, NAME_LENGTH))
    gaps = stored.count(GAP)
    # Check the length before building the text: 500 gaps and a long prompt make millions of characters.
    length = len(stored) + gaps * (len(str(typed)) - len(GAP))
    if item.max_length is not None and length > item.max_length:
        raise InputError("input_too_long", option=item.option, length=length, maximum=item.max_length)
    return stored.replace(GAP, str(typed))


def _fits(item: Input, value: OfferedValue) -> bool:
    return not isinstance(value, list) and takes_value(item, value)


def _offered_gpu(deployment: Deployment, gpu: str) -> bool:
    try:
        check_gpu(deployment, gpu)
    except InputError:
        return False
    return True
