"""Revise an earlier run: the fields of an edit form, and the request that results from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from bot.deployments.inputs import CollectedInputs, check_gpu, omitted_value, prompt_of, seed_of
from bot.deployments.model import ATTACHMENTS, Deployment, Input
from bot.deployments.options import GPU
from bot.deployments.validation import AttachedFile, check_file, check_value
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from bot.domain.runs import InputValue

# Discord's limits: fields of a modal, and characters of a text input.
MAX_FIELDS = 5
TEXT_LENGTH = 4000
# By option name: text as typed or chosen, or uploaded files.
FormValue = str | tuple[AttachedFile, ...]
FormValues = Mapping[str, FormValue]


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a form for `item`, or for the GPU if that is None.

    `value` is prefilled; for attachments it is the earlier link.
    """

    name: str
    item: Input | None
    value: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revision:
    """The revised inputs, and the options whose earlier values the deployment no longer accepts."""

    inputs: CollectedInputs
    dropped: tuple[str, ...]


def editable_fields(
    deployment: Deployment,
    inputs: Mapping[str, InputValue],
    gpu: str | None,
    *,
    form_values: FormValues | None = None,
    exclude: str | None = None,
) -> tuple[FormField, ...]:
    """Return the five most important fields: the prompt, required inputs, config order, and the GPU last.

    `form_values` override the earlier values; the input with the key `exclude` is left out.
    """
    form_values = form_values or {}
    items = sorted((item for item in deployment.offered if item.key != exclude), key=_rank)
    choose_gpu = len(deployment.gpus) > 1
    fields = [_field(item, inputs.get(item.key), form_values) for item in items[: MAX_FIELDS - choose_gpu]]
    if choose_gpu:
        gpu_value = form_values.get(GPU, gpu if gpu in deployment.gpus else "")
        fields.append(FormField(GPU, None, str(gpu_value or ""), deployment.gpus))
    return tuple(fields)


def revise(
    deployment: Deployment,
    earlier: Mapping[str, InputValue],
    gpu: str | None,
    form_values: FormValues,
    draw_seed: Callable[[Input], int],
) -> Revision:
    """Combine form values, earlier values and defaults, in this order of precedence.

    Raises InputError for the first mistake.
    """
    inputs: dict[str, InputValue] = {}
    dropped = _no_longer_offered(deployment, earlier)
    for item in deployment.inputs:
        value = item.fixed
        if item.offered:
            value = _value(item, earlier.get(item.key), form_values, dropped)
            value = omitted_value(item, draw_seed) if value is None else value
        if value is not None:
            inputs[item.key] = value
    names = {item.option for item in deployment.offered}
    dropped += [name for name in form_values if name not in names and name != GPU]
    chosen = _gpu(deployment, gpu, form_values, dropped)
    collected = CollectedInputs(
        inputs, chosen, seed_of(deployment, inputs), prompt_of(deployment, inputs), {}
    )
    return Revision(collected, tuple(dict.fromkeys(dropped)))


def _rank(item: Input) -> tuple[bool, bool, bool]:
    return not item.is_prompt, not item.required, item.kind in ATTACHMENTS


def _field(item: Input, earlier: InputValue | None, form_values: FormValues) -> FormField:
    choices = tuple(choice.name for choice in item.choices)
    if item.kind is InputKind.BOOLEAN and not choices:
        choices = ("yes", "no")
    value = form_values.get(item.option)
    text = value if isinstance(value, str) else _as_typed(item, earlier)
    return FormField(item.option, item, text, choices)


def _as_typed(item: Input, value: InputValue | None) -> str:
    """Return a value as a user types it: a choice by its name."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(value)
    names = {choice.value: choice.name for choice in item.choices}
    return names.get(str(value), str(value))


def _value(
    item: Input, earlier: InputValue | None, form_values: FormValues, dropped: list[str]
) -> InputValue | None:
    entered = form_values.get(item.option)
    if isinstance(entered, tuple):
        return _files(item, entered)
    if entered is None or item.kind in ATTACHMENTS:
        return _earlier_value(item, earlier, dropped)
    if entered.strip():
        return check_value(item, entered)
    # An emptied text is sent as empty; any other blank field means the default.
    if item.kind is InputKind.TEXT and not item.choices and earlier not in (None, ""):
        return check_value(item, "")
    # Report a value that the form couldn't show because it is no longer accepted.
    _earlier_value(item, earlier, dropped)
    return None


def _files(item: Input, files: tuple[AttachedFile, ...]) -> InputValue:
    if item.kind not in ATTACHMENTS:
        raise InputError("input_not_text", option=item.option)
    urls = [check_file(item.kind, item.option, file) for file in files]
    return urls if item.kind is InputKind.IMAGES else urls[0]


def _earlier_value(item: Input, earlier: InputValue | None, dropped: list[str]) -> InputValue | None:
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
    dropped = []
    for key, value in earlier.items():
        item = items.get(key)
        if item is None:
            dropped.append(key)
        elif not item.offered and item.fixed != value:
            dropped.append(item.option)
    return dropped


def _gpu(
    deployment: Deployment, earlier: str | None, form_values: FormValues, dropped: list[str]
) -> str | None:
    entered = form_values.get(GPU)
    if isinstance(entered, str):
        return check_gpu(deployment, entered)
    if earlier is None or earlier in deployment.gpus or earlier == deployment.default_gpu:
        return earlier or deployment.default_gpu
    dropped.append(GPU)
    return deployment.default_gpu
