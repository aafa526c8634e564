"""Combine what somebody entered with stored values into the inputs of runs, and judge stored inputs again."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bot.deployments.inputs import AttachedFile, Input, RawValue, Typed, Values
from bot.deployments.model import Deployment
from bot.deployments.schema.field_types import COUNT, GPU, LARGEST, MORE, RESERVED
from bot.domain.backend import InputKind
from bot.domain.errors import InputError, InputErrors, RefusedError
from bot.domain.requests import NAME_LENGTH, Preset
from bot.domain.runs import InputValue, Run
from bot.domain.text import escape_line, in_code

# The number of runs that Vary starts, or fewer if the deployment now allows fewer.
VARY_COUNT = 4
# The gap in a preset's prompt, which the prompt of the next request fills.
GAP = "{prompt}"
# Possessive quantifiers keep matching linear: users may enter 4,000 characters.
_PAIR = re.compile(r'([^=,]*+)=\s*+(?:"((?:[^"\\]|\\.)*+)"\s*+|((?!")[^,]*+))(?:,|\Z)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"'})


@dataclass(frozen=True, slots=True)
class Stored:
    """The values of an earlier run or a preset, by the backend's keys, and its GPU. Results name a `note`."""

    inputs: Values = field(default_factory=dict)
    gpu: str | None = None
    preset: Preset | None = None
    note: str = ""


@dataclass(slots=True)
class Merged:
    """The values of a request, which `merge` finds in what was `typed` and in layers of `stored` values.

    `runs` are the inputs of each queue call by their keys, with its seed; `inputs` are those of the first. If
    `gpu` is None, ComfyDeploy chooses a GPU. `prompt` is the text that is sent or, if it was left out, the
    input's default. `files` holds the attachments by input key, each with its option. `sources` are the
    stored values that were used, by input key, also for a prompt that was typed into a preset's. `dropped`
    names the values that the deployment no longer accepts, and `drawn` are the keys of drawn seeds. `texts`
    are the free texts, by option name.
    """

    typed: Typed
    stored: Sequence[Stored]
    draw_seed: Callable[[int, int], int]
    dropped: list[str]
    inputs: dict[str, InputValue] = field(default_factory=dict)
    runs: Sequence[tuple[Values, int | None]] = ()
    gpu: str | None = None
    prompt: str | None = None
    files: dict[str, Sequence[tuple[str, AttachedFile]]] = field(default_factory=dict)
    sources: dict[str, Stored] = field(default_factory=dict)
    drawn: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)

    def add(self, item: Input) -> None:
        """Add an input. Raises InputError if its value is wrong or missing."""
        if not item.offered:
            self.inputs |= {} if item.fixed is None else {item.key: item.fixed}
            return
        entered = item.typed(self.typed)
        source = next((each for each in self.stored if item.is_prompt and item.key in each.inputs), None)
        if source is not None and source.preset is not None and GAP in str(source.inputs[item.key]):
            # The preset decides, but what was typed fills its gaps.
            self.sources[item.key] = source
            entered = _filled(item, source, entered)
        found: Values = self._stored(item) if entered is None else item.parse(entered)
        if entered is not None and item.takes_file:
            self.files[item.key] = entered
        if found:
            self.inputs |= found
        elif item.is_seed and (not item.send_default or (entered is not None and not item.choices)):
            self.drawn.add(item.key)
            self.inputs[item.key] = self.draw_seed(*seed_range(item))
        elif item.send_default:
            self.inputs |= item.default_values
        elif item.required:
            raise InputError("input_required", option=item.option_names[0])
        if item.kind is InputKind.TEXT and item.key in self.inputs:
            self.texts[item.option] = str(self.inputs[item.key])

    def _stored(self, item: Input) -> Values:
        for layer in self.stored:
            try:
                if found := item.stored(layer.inputs):
                    self.sources[item.key] = layer
                    return found
            except InputError:
                self.dropped.append(item.option)
        return {}

    def choose_gpu(self, deployment: Deployment) -> None:
        """Take the chosen GPU, or else the default. Raises InputError if a typed GPU isn't offered."""
        typed, self.gpu = self.typed.get(GPU), deployment.default_gpu
        if typed and (found := deployment.gpu_input.parse(typed)):
            self.gpu = str(found[GPU])
        for layer in self.stored if typed is None else ():
            if layer.gpu in deployment.gpus:
                self.gpu, self.sources[GPU] = layer.gpu, layer
                return
            self.dropped += [GPU] if layer.gpu is not None else []

    def run(self, seeds: Sequence[Input], index: int) -> tuple[Values, int | None]:
        """Return the inputs and the displayed seed of a run. Seeds are drawn again for each, or count on."""
        inputs = dict(self.inputs)
        for item in seeds if index else ():
            key, seed = item.key, inputs.get(item.key)
            if not item.varies_in_batch or not isinstance(seed, int):
                continue
            if key in self.drawn:
                inputs[key] = self.draw_seed(*seed_range(item))
            else:
                # After the largest seed of the range, continue with the smallest.
                low, high = seed_range(item)
                low, high = min(low, seed), max(high, seed)
                inputs[key] = low + (seed - low + index) % (high - low + 1)
        shown = (inputs.get(item.key) for item in seeds)
        return inputs, next((seed for seed in shown if isinstance(seed, int)), None)


def merge(
    deployment: Deployment,
    typed: Typed,
    stored: Sequence[Stored] = (),
    *,
    draw_seed: Callable[[int, int], int],
) -> Merged:
    """Combine what was typed with layers of stored values: for each input, the first with a value decides.

    Every mistake in what was typed is raised at once, as InputErrors. A stored value that doesn't fit any
    more is dropped. A typed prompt goes into the gaps of a preset's prompt. Omitted optional inputs are not
    sent, since ComfyDeploy has their defaults. The exceptions are fixed values, defaults that
    deployments.toml changes, and seeds, which are drawn (see `seed_range`). An emptied seed is drawn, too,
    even if the file gives it a default. Several runs differ only in their seeds.
    """
    mistakes: list[InputError] = []
    with _noted(mistakes):
        typed = with_more(deployment, typed)
    options = RESERVED.union(*(item.option_names for item in deployment.offered))
    dropped = [name for name in typed if name not in options]
    dropped += [name for layer in stored for name in _no_longer_offered(deployment, layer.inputs)]
    merged, count = Merged(typed, stored, draw_seed, dropped), 1
    for item in deployment.inputs.values():
        with _noted(mistakes):
            merged.add(item)
    with _noted(mistakes):
        merged.choose_gpu(deployment)
    with _noted(mistakes):
        count = int(str(deployment.count_input.parse(typed.get(COUNT, 1)).get(COUNT, 1)))
    if mistakes:
        raise InputErrors(mistakes)
    prompt = deployment.prompt
    text = merged.inputs.get(prompt.key, prompt.default) if prompt is not None else None
    merged.prompt = text if isinstance(text, str) else None
    seeds = [item for item in deployment.inputs.values() if item.is_seed]
    merged.runs = [merged.run(seeds, index) for index in range(count)]
    merged.dropped = [*dict.fromkeys(merged.dropped)]
    return merged


def _filled(item: Input, source: Stored, prompt: RawValue | None) -> str:
    """Return a preset's prompt with what was typed in its gaps. Raises InputError."""
    if prompt is None:
        name = source.preset.name if source.preset is not None else ""
        raise InputError("preset_needs_prompt", option=item.option, name=escape_line(name, NAME_LENGTH))
    text = str(source.inputs[item.key])
    # Check the length before building the text: 500 gaps and a long prompt make millions of characters.
    length = len(text) + text.count(GAP) * (len(str(prompt)) - len(GAP))
    if item.max_length is not None and length > item.max_length:
        raise InputError("input_too_long", option=item.option, length=length, maximum=item.max_length)
    return text.replace(GAP, str(prompt))


@contextmanager
def _noted(mistakes: list[InputError]) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        mistakes.append(error)


def with_more(deployment: Deployment, layer: Typed) -> Typed:
    """Return a layer with the pairs of `more` as options of their own. Raises InputError."""
    if MORE not in layer:
        return layer
    found: dict[str, Any] = {name: value for name, value in layer.items() if name != MORE}
    for key, text in parse_more(str(layer[MORE])):
        lowered = key.casefold()
        by_name = (item for item in deployment.offered if lowered in item.option_names)
        by_key = (item for item in deployment.offered if lowered == item.key.casefold())
        item = next(by_name, None) or next(by_key, None)
        if item is None:
            # Cut first: difflib takes quadratic time, and `more` may hold 4,000 characters.
            known = sorted(each.option for each in deployment.offered if not each.takes_file)
            near = difflib.get_close_matches(key[:60].casefold(), known, n=3) or known[:10]
            raise InputError("input_unknown", option=in_code(key[:60], 60), choices=", ".join(near))
        if item.takes_file:
            raise InputError("input_file_in_more", option=item.option)
        if item.option in found:
            raise InputError("input_twice", option=item.option)
        found[item.option] = text
    return found


def parse_more(text: str) -> list[tuple[str, str]]:
    r"""Return the pairs in the option `more`, which holds the inputs without an option of their own.

        more  = [ pair *( "," pair ) [ "," ] ]
        pair  = key "=" value                       spaces around both are ignored
        key   = 1*( any character but "=" and "," )   option name or input key, any case
        value = quoted / bare
        quoted = DQUOTE *( "\" any / any but DQUOTE ) DQUOTE    \\ and \" are escapes
        bare  = *( any character but "," )            doesn't start with a quote

    A bare value may contain `=` and inner quotes. A value with a comma needs quotes. The curly quotes that
    phones insert count as straight ones. Raises InputError.
    """
    text = text.translate(_CURLY)
    pairs: list[tuple[str, str]] = []
    position = 0
    while text[position:].strip():
        match = _PAIR.match(text, position)
        if match is None or not match[1].strip():
            rest = escape_line(text[position : position + 40], 40)
            raise InputError("input_more_syntax", option="more", text=rest)
        key, quoted, bare = match.groups()
        pairs.append((key.strip(), bare.strip() if quoted is None else _ESCAPED.sub(r"\1", quoted)))
        position = match.end()
    return pairs


def _no_longer_offered(deployment: Deployment, inputs: Values) -> list[str]:
    """Return the names of stored values whose inputs aren't offered any more."""
    items = {key: item for item in deployment.inputs.values() for key in item.backend_keys}
    gone = [key for key in inputs if key not in items]
    changed = (item for key in inputs if (item := items.get(key)) and not item.offered)
    return gone + [item.option for item in changed if item.fixed != inputs[item.key]]


def seed_range(item: Input) -> tuple[int, int]:
    """Return the smallest and largest seed to draw.

    This is the input's range without the numbers that JSON clients can't represent exactly. Negative numbers
    are left out too, unless the whole range is negative.
    """
    low = max(0, int(item.minimum or 0))
    high = LARGEST if item.maximum is None else min(LARGEST, int(item.maximum))
    return (low, high) if low <= high else (int(item.minimum or high), high)


def removed_since(deployment: Deployment, run: Run) -> RefusedError | None:
    """Return the refusal if a run asks for a GPU or a value that its deployment no longer takes.

    Inputs that were added since have defaults. Sizes are compared by their numbers, so a renamed one fits.
    """
    # A pinned GPU is used whatever was chosen.
    if run.gpu is not None and deployment.pinned_gpu is None and run.gpu not in deployment.gpus:
        return RefusedError("gpu_removed", gpu=escape_line(run.gpu, 60))
    gone = _no_longer_offered(deployment, run.inputs)
    kept = ((item, item.own(run.inputs)) for item in deployment.offered)
    gone += [item.option for item, own in kept if own and not item.fits(own)]
    return RefusedError("value_removed", option=in_code(gone[0], 60)) if gone else None
