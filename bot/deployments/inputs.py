"""Convert the values that a user entered into the inputs of a queue call."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bot.deployments.input_text import parse_more
from bot.deployments.model import ATTACHMENTS, Deployment, Input, OfferedValue, Size
from bot.deployments.options import GPU, MORE
from bot.deployments.schema.field_types import LARGEST
from bot.deployments.size_conversion import as_sent
from bot.deployments.validation import AttachedFile, check_file, check_value
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from bot.domain.runs import InputValue
from bot.domain.text import escape_line, in_code

# A `Size` comes from a preset; users type the name of a choice.
RawValue = str | int | float | bool | AttachedFile | Size


@dataclass(frozen=True, slots=True)
class CollectedInputs:
    """The inputs of a queue call by their keys, and the values that the bot displays.

    If `gpu` is None, ComfyDeploy chooses a GPU. `seed` is the first seed that is sent. `prompt` is the text
    that is sent or, if the user left it out, the input's default. `files` holds the attachments by input
    key. `drawn` holds the keys of the seeds that were drawn at random.
    """

    inputs: Mapping[str, InputValue]
    gpu: str | None
    seed: int | None
    prompt: str | None
    files: Mapping[str, tuple[AttachedFile, ...]]
    drawn: frozenset[str] = frozenset()


def collect(
    deployment: Deployment,
    options: Mapping[str, RawValue],
    *,
    draw_seed: Callable[[Input], int],
) -> CollectedInputs:
    """Validate the options that a user entered, including `more` and `gpu`. Raises InputError.

    Omitted optional inputs are not sent, since ComfyDeploy has their defaults. The exceptions are fixed
    values, defaults that deployments.toml changes, and seeds, which `draw_seed` draws (see `seed_range`).
    """
    values = _with_more(deployment, options)
    drawn: set[str] = set()

    def draw(item: Input) -> int:
        drawn.add(item.key)
        return draw_seed(item)

    offered: dict[str, OfferedValue] = {}
    files: dict[str, tuple[AttachedFile, ...]] = {}
    for item in deployment.inputs:
        if item.kind in ATTACHMENTS and item.offered and (attached := _attached(item, values)):
            files[item.key] = attached
        value = _value(item, values, files.get(item.key, ()), draw)
        if value is not None:
            offered[item.key] = value
    inputs = as_sent(deployment, offered)
    chosen = check_gpu(deployment, values.get(GPU))
    seed, prompt = seed_of(deployment, inputs), prompt_of(deployment, inputs)
    return CollectedInputs(inputs, chosen, seed, prompt, files, frozenset(drawn))


def seed_range(item: Input) -> tuple[int, int]:
    """Return the smallest and largest seed to draw.

    This is the input's range without the numbers that JSON clients can't represent exactly. Negative numbers
    are left out too, unless the whole range is negative.
    """
    low = max(0, int(item.minimum or 0))
    high = LARGEST if item.maximum is None else min(LARGEST, int(item.maximum))
    return (low, high) if low <= high else (int(item.minimum or high), high)


def check_gpu(deployment: Deployment, gpu: RawValue | None) -> str | None:
    """Return the canonical name of the chosen GPU, or the default GPU if none was chosen.

    Raises InputError `input_gpu` if the deployment doesn't offer the GPU.
    """
    if gpu is None or gpu == "":
        return deployment.default_gpu
    for name in deployment.gpus:
        if isinstance(gpu, str) and name.casefold() == gpu.strip().casefold():
            return name
    allowed = ", ".join(deployment.gpus) or "none"
    raise InputError("input_gpu", option=GPU, value=escape_line(str(gpu), 60), choices=allowed)


def _with_more(deployment: Deployment, options: Mapping[str, RawValue]) -> dict[str, RawValue]:
    """Return all values by option name, including those in `more`."""
    known = {name: item for item in deployment.offered for name in item.option_names}
    for name in options:
        if name not in known and name not in (MORE, GPU):
            raise _unknown(name, known)
    values = {name: value for name, value in options.items() if name != MORE}
    for key, text in parse_more(str(options.get(MORE, ""))):
        item = _find_input(deployment, key)
        if item.kind in ATTACHMENTS:
            raise InputError("input_file_in_more", option=item.option)
        if item.option in values:
            raise InputError("input_twice", option=item.option)
        values[item.option] = text
    return values


def _find_input(deployment: Deployment, key: str) -> Input:
    lowered = key.casefold()
    for item in deployment.offered:
        if lowered in item.option_names:
            return item
    for item in deployment.offered:
        if lowered == item.key.casefold():
            return item
    raise _unknown(key, (item.option for item in deployment.offered if item.kind not in ATTACHMENTS))


def _unknown(name: str, known: Iterable[str]) -> InputError:
    # Cut first: difflib takes quadratic time, and `more` may hold 6,000 characters.
    names, name = list(known), name[:60]
    matches = difflib.get_close_matches(name.casefold(), names, n=3) or names[:10]
    return InputError("input_unknown", option=in_code(name, 60), choices=", ".join(matches))


def _attached(item: Input, values: Mapping[str, RawValue]) -> tuple[AttachedFile, ...]:
    files = []
    for name in item.option_names:
        value = values.get(name)
        if value is None:
            continue
        if not isinstance(value, AttachedFile):
            raise InputError("input_not_a_file", option=name)
        check_file(item.kind, name, value)
        files.append(value)
    return tuple(files)


def _value(
    item: Input,
    values: Mapping[str, RawValue],
    files: tuple[AttachedFile, ...],
    draw_seed: Callable[[Input], int],
) -> OfferedValue | None:
    if not item.offered:
        return item.fixed
    entered = _urls(item, files) if item.kind in ATTACHMENTS else _plain(item, values.get(item.option))
    return entered if entered is not None else omitted_value(item, draw_seed)


def omitted_value(item: Input, draw_seed: Callable[[Input], int]) -> OfferedValue | None:
    """Return the value to send for an omitted input, or None to leave the default to the backend.

    Raises InputError if the input is required.
    """
    if item.send_default:
        return item.default
    if item.is_seed:
        return draw_seed(item)
    if item.required:
        raise InputError("input_required", option=item.option_names[0])
    return None


def _urls(item: Input, files: tuple[AttachedFile, ...]) -> InputValue | None:
    if not files:
        return None
    urls = [file.url for file in files]
    # An `IMAGES` input takes a list even for one picture.
    return urls if item.kind is InputKind.IMAGES else urls[0]


def _plain(item: Input, value: RawValue | None) -> OfferedValue | None:
    if value is None:
        return None
    if isinstance(value, AttachedFile):
        raise InputError("input_not_text", option=item.option)
    return check_value(item, value)


def seed_of(deployment: Deployment, inputs: Mapping[str, InputValue]) -> int | None:
    """Return the seed to display: the first seed that is sent, or None."""
    for item in deployment.inputs:
        value = inputs.get(item.key)
        if item.is_seed and isinstance(value, int):
            return value
    return None


def prompt_of(deployment: Deployment, inputs: Mapping[str, InputValue]) -> str | None:
    """Return the prompt to display: the one sent, or the default."""
    for item in deployment.inputs:
        if item.is_prompt:
            value = inputs.get(item.key, item.default)
            return value if isinstance(value, str) else None
    return None
