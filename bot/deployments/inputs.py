"""What a person gave, checked, as the inputs of a queue call. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from bot.deployments.input_text import parse_more
from bot.deployments.model import ATTACHMENTS, Deployment, Input, InputKind, varies_in_batch
from bot.deployments.options import COUNT, GPU, MORE
from bot.deployments.schema import LARGEST
from bot.deployments.validation import AttachedFile, check_file, check_value
from bot.domain.errors import InputError
from bot.domain.runs import InputValue

RawValue = str | int | float | bool | AttachedFile


@dataclass(frozen=True, slots=True)
class CollectedInputs:
    """A queue call's inputs by their real keys, and what the bot shows of them.

    `gpu` None leaves it to the machine. `prompt` is ComfyDeploy's default where none was given. `files` are
    the attachments by input key: what the machine will download, with name and size. `drawn` are the keys of
    the seeds that nobody gave.
    """

    inputs: Mapping[str, InputValue]
    gpu: str | None
    seed: int | None
    prompt: str | None
    files: Mapping[str, tuple[AttachedFile, ...]]
    drawn: frozenset[str] = frozenset()


def collect(
    deployment: Deployment,
    given: Mapping[str, RawValue],
    *,
    draw_seed: Callable[[Input], int],
    gpu: str | None = None,
) -> CollectedInputs:
    """Checks all that was given, by option name, `more` and `gpu` included. InputError at the first fault.

    Optional inputs that were left out stay out, since ComfyDeploy has their defaults: except fixed ones, a
    default of our own, and seeds, for which `draw_seed` is asked (see `seed_range`).
    """
    values = _with_more(deployment, given)
    drawn: set[str] = set()

    def draw(item: Input) -> int:
        drawn.add(item.key)
        return draw_seed(item)

    inputs: dict[str, InputValue] = {}
    files: dict[str, tuple[AttachedFile, ...]] = {}
    for item in deployment.inputs:
        if item.kind in ATTACHMENTS and item.offered and (found := _attached(item, values)):
            files[item.key] = found
        value = _value(item, values, files.get(item.key, ()), draw)
        if value is not None:
            inputs[item.key] = value
    chosen = check_gpu(deployment, gpu if gpu is not None else values.get(GPU))
    seed, prompt = seed_of(deployment, inputs), prompt_of(deployment, inputs)
    return CollectedInputs(inputs, chosen, seed, prompt, files, frozenset(drawn))


def seed_range(item: Input) -> tuple[int, int]:
    """Both ends of what a seed may be: the input's own range, from 0 to what JSON carries exactly."""
    low = max(0, int(item.minimum or 0))
    high = LARGEST if item.maximum is None else min(LARGEST, int(item.maximum))
    return (low, high) if low <= high else (int(item.minimum or high), high)


def check_gpu(deployment: Deployment, gpu: RawValue | None) -> str | None:
    """The chosen GPU as its name is written, or the configured one. InputError `input_gpu`."""
    if gpu is None or gpu == "":
        return deployment.default_gpu
    for name in deployment.gpus:
        if isinstance(gpu, str) and name.casefold() == gpu.strip().casefold():
            return name
    allowed = ", ".join(deployment.gpus) or "none"
    raise InputError("input_gpu", option=GPU, value=str(gpu)[:60], choices=allowed)


def _with_more(deployment: Deployment, given: Mapping[str, RawValue]) -> dict[str, RawValue]:
    """All values by option name, those inside `more` included."""
    known = {name: item for item in deployment.offered for name in item.option_names}
    for name in given:
        if name not in known and name not in (MORE, GPU):
            raise _unknown(name, known)
    values = {name: value for name, value in given.items() if name != MORE}
    for key, text in parse_more(str(given.get(MORE, ""))):
        item = _named(deployment, key)
        if item.kind in ATTACHMENTS:
            raise InputError("input_file_in_more", option=item.option)
        if item.option in values:
            raise InputError("input_twice", option=item.option)
        values[item.option] = text
    return values


def _named(deployment: Deployment, key: str) -> Input:
    word = key.casefold()
    for item in deployment.offered:
        if word in item.option_names:
            return item
    for item in deployment.offered:
        if word == item.key.casefold():
            return item
    raise _unknown(key, (item.option for item in deployment.offered if item.kind not in ATTACHMENTS))


def _unknown(name: str, known: Iterable[str]) -> InputError:
    # Cut first: difflib takes quadratic time, and `more` holds up to 6,000 characters of anything.
    names, name = list(known), name[:60]
    near = difflib.get_close_matches(name.casefold(), names, n=3) or names[:10]
    return InputError("input_unknown", option=name, choices=", ".join(near))


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
) -> InputValue | None:
    if not item.offered:
        return item.fixed
    given = _urls(item, files) if item.kind in ATTACHMENTS else _plain(item, values.get(item.option))
    return given if given is not None else left_out(item, draw_seed)


def left_out(item: Input, draw_seed: Callable[[Input], int]) -> InputValue | None:
    """What is sent for an input that nobody gave. Raises InputError when it is required."""
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
    # A batch takes a list also when it holds one picture.
    return urls if item.kind is InputKind.IMAGES else urls[0]


def _plain(item: Input, value: RawValue | None) -> InputValue | None:
    if value is None:
        return None
    if isinstance(value, AttachedFile):
        raise InputError("input_not_text", option=item.option)
    return check_value(item, value)


def seed_of(deployment: Deployment, inputs: Mapping[str, InputValue]) -> int | None:
    """The seed that is sent, for the message."""
    for item in deployment.inputs:
        value = inputs.get(item.key)
        if item.is_seed and isinstance(value, int):
            return value
    return None


def prompt_of(deployment: Deployment, inputs: Mapping[str, InputValue]) -> str | None:
    """The prompt that is sent, for the message; the default where none was given."""
    for item in deployment.inputs:
        if item.is_prompt:
            value = inputs.get(item.key, item.default)
            return value if isinstance(value, str) else None
    return None


# How many Vary makes. It stands on buttons out there: a deployment may take fewer since, never more.
VARY_COUNT = 4


class RepeatMode(Enum):
    """How many a repetition makes: one, as many as there were, or the few of Vary."""

    ONE = auto()
    ALL = auto()
    VARIED = auto()


def check_count(deployment: Deployment, value: RawValue | None) -> int:
    """How many, 1 where nothing was said. InputError otherwise."""
    if value is None:
        return 1
    if not isinstance(value, int) or not 1 <= value <= deployment.max_count:
        raise InputError("input_count", option=COUNT, maximum=deployment.max_count)
    return value


def repeat_count(deployment: Deployment, repeat: RepeatMode, before: int) -> int:
    """How many a repetition makes of what were `before`, as far as the deployment takes so many at once."""
    wanted = {RepeatMode.ONE: 1, RepeatMode.ALL: before, RepeatMode.VARIED: VARY_COUNT}[repeat]
    return min(wanted, deployment.max_count)


def batch_inputs(
    deployment: Deployment, wanted: CollectedInputs, count: int, draw_seed: Callable[[Input], int]
) -> list[tuple[Mapping[str, InputValue], int | None]]:
    """The inputs and the seed of each: a seed that was given counts on, one that was drawn is drawn anew."""
    found: list[tuple[Mapping[str, InputValue], int | None]] = [(wanted.inputs, wanted.seed)]
    for index in range(1, count):
        inputs = _other(deployment, wanted.inputs, wanted.drawn, index, draw_seed)
        found.append((inputs, seed_of(deployment, inputs)))
    return found


def _other(
    deployment: Deployment,
    first: Mapping[str, InputValue],
    drawn: Collection[str],
    index: int,
    draw_seed: Callable[[Input], int],
) -> dict[str, InputValue]:
    inputs = dict(first)
    for item in filter(varies_in_batch, deployment.inputs):
        value = inputs.get(item.key)
        if item.key in drawn:
            inputs[item.key] = draw_seed(item)
        elif isinstance(value, int):
            inputs[item.key] = _counted_on(item, value, index)
    return inputs


def _counted_on(item: Input, seed: int, index: int) -> int:
    """Past the end of the input's range it goes on at the beginning."""
    low, high = seed_range(item)
    low, high = min(low, seed), max(high, seed)
    return low + (seed - low + index) % (high - low + 1)
