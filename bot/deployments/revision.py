"""What a form shows of an earlier run's inputs, and what becomes of it once it is sent. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from bot.deployments.inputs import CollectedInputs, check_gpu, left_out, prompt_of, seed_of
from bot.deployments.model import ATTACHMENTS, Deployment, Input, InputKind
from bot.deployments.options import GPU
from bot.deployments.validation import AttachedFile, check_file, check_value
from bot.domain.errors import InputError
from bot.domain.runs import InputValue

# Discord's limit for a form, and for one of its text inputs.
FIELDS = 5
TEXT_LENGTH = 4000
# By option name: text as typed or chosen, or the files of an upload.
FormValue = str | tuple[AttachedFile, ...]
FormValues = Mapping[str, FormValue]


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a form; `item` None is the GPU. `value` stands in it; of a file it is the earlier link."""

    name: str
    item: Input | None
    value: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revision:
    """The new request, and the options whose earlier values the deployment no longer takes."""

    wanted: CollectedInputs
    dropped: tuple[str, ...]


def editable_fields(
    deployment: Deployment,
    inputs: Mapping[str, InputValue],
    gpu: str | None,
    *,
    typed: FormValues | None = None,
    without: str | None = None,
) -> tuple[Field, ...]:
    """The five that matter most: the prompt, required ones, then the config's order; the GPU is the last.

    `typed` stands before the earlier value; the input with the key `without` is settled already.
    """
    typed = typed or {}
    items = sorted((item for item in deployment.offered if item.key != without), key=_rank)
    choose_gpu = len(deployment.gpus) > 1
    fields = [_field(item, inputs.get(item.key), typed) for item in items[: FIELDS - choose_gpu]]
    if choose_gpu:
        shown = typed.get(GPU, gpu if gpu in deployment.gpus else "")
        fields.append(Field(GPU, None, str(shown or ""), deployment.gpus))
    return tuple(fields)


def revise(
    deployment: Deployment,
    earlier: Mapping[str, InputValue],
    gpu: str | None,
    typed: FormValues,
    draw_seed: Callable[[Input], int],
) -> Revision:
    """What was typed, over the earlier values, over the defaults. InputError at the first fault."""
    inputs: dict[str, InputValue] = {}
    dropped = _no_longer_offered(deployment, earlier)
    for item in deployment.inputs:
        value = item.fixed
        if item.offered:
            value = _value(item, earlier.get(item.key), typed, dropped)
            value = left_out(item, draw_seed) if value is None else value
        if value is not None:
            inputs[item.key] = value
    names = {item.option for item in deployment.offered}
    dropped += [name for name in typed if name not in names and name != GPU]
    chosen = _gpu(deployment, gpu, typed, dropped)
    wanted = CollectedInputs(inputs, chosen, seed_of(deployment, inputs), prompt_of(deployment, inputs), {})
    return Revision(wanted, tuple(dict.fromkeys(dropped)))


def _rank(item: Input) -> tuple[bool, bool, bool]:
    return not item.is_prompt, not item.required, item.kind in ATTACHMENTS


def _field(item: Input, earlier: InputValue | None, typed: FormValues) -> Field:
    choices = tuple(choice.name for choice in item.choices)
    if item.kind is InputKind.BOOLEAN and not choices:
        choices = ("yes", "no")
    value = typed.get(item.option)
    shown = value if isinstance(value, str) else _as_typed(item, earlier)
    return Field(item.option, item, shown, choices)


def _as_typed(item: Input, value: InputValue | None) -> str:
    """A value as a person types it: a choice by its name."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(value)
    names = {choice.value: choice.name for choice in item.choices}
    return names.get(str(value), str(value))


def _value(
    item: Input, earlier: InputValue | None, typed: FormValues, dropped: list[str]
) -> InputValue | None:
    given = typed.get(item.option)
    if isinstance(given, tuple):
        return _files(item, given)
    if given is None or item.kind in ATTACHMENTS:
        return _kept(item, earlier, dropped)
    if given.strip():
        return check_value(item, given)
    # An emptied text is meant to be empty; any other field that is left blank asks for the default.
    if item.kind is InputKind.TEXT and not item.choices and earlier not in (None, ""):
        return check_value(item, "")
    _kept(item, earlier, dropped)  # blank, too, where the form could not show what is no longer taken
    return None


def _files(item: Input, files: tuple[AttachedFile, ...]) -> InputValue:
    if item.kind not in ATTACHMENTS:
        raise InputError("input_not_text", option=item.option)
    urls = [check_file(item.kind, item.option, file) for file in files]
    return urls if item.kind is InputKind.IMAGES else urls[0]


def _kept(item: Input, earlier: InputValue | None, dropped: list[str]) -> InputValue | None:
    if earlier is None:
        return None
    if item.kind is InputKind.IMAGES:
        return (earlier if isinstance(earlier, list) else [str(earlier)])[: item.max_count]
    if item.kind in ATTACHMENTS:
        return earlier[0] if isinstance(earlier, list) else str(earlier)
    if not isinstance(earlier, list):
        with suppress(InputError):
            return check_value(item, earlier)
    dropped.append(item.option)
    return None


def _no_longer_offered(deployment: Deployment, earlier: Mapping[str, InputValue]) -> list[str]:
    items = {item.key: item for item in deployment.inputs}
    gone = []
    for key, value in earlier.items():
        item = items.get(key)
        if item is None:
            gone.append(key)
        elif not item.offered and item.fixed != value:
            gone.append(item.option)
    return gone


def _gpu(deployment: Deployment, earlier: str | None, typed: FormValues, dropped: list[str]) -> str | None:
    given = typed.get(GPU)
    if isinstance(given, str):
        return check_gpu(deployment, given)
    if earlier is None or earlier in deployment.gpus or earlier == deployment.default_gpu:
        return earlier or deployment.default_gpu
    dropped.append(GPU)
    return deployment.default_gpu
