"""Revise an earlier run: the fields of an edit form, and the request that results from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from bot.deployments.inputs import CollectedInputs, check_gpu, omitted_value, prompt_of, seed_of
from bot.deployments.model import ATTACHMENTS, Deployment, Input, OfferedValue, Size
from bot.deployments.options import GPU
from bot.deployments.sizes import as_offered, as_sent
from bot.deployments.validation import AttachedFile, check_file, check_value
from bot.domain.backend import InputKind
from bot.domain.errors import InputError, InputErrors
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
    """Return the five most important fields (see `_rank`), and the GPU if there is space.

    `form_values` override the earlier values, but don't change which fields there are. The input with the key
    `exclude` is left out.
    """
    form_values, earlier = form_values or {}, as_offered(deployment, inputs)
    items = [item for item in deployment.offered if item.key != exclude]
    items.sort(key=lambda item: _rank(item, earlier.get(item.key)))
    fields = [_field(item, earlier.get(item.key), form_values) for item in items[:MAX_FIELDS]]
    if len(deployment.gpus) > 1 and len(fields) < MAX_FIELDS:
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

    Raises InputErrors with all mistakes.
    """
    offered: dict[str, OfferedValue] = {}
    mistakes: list[InputError] = []
    before = as_offered(deployment, earlier)
    dropped = _no_longer_offered(deployment, before)
    for item in deployment.inputs:
        value: OfferedValue | None = item.fixed
        try:
            if item.offered:
                value = _value(item, before.get(item.key), form_values, dropped)
                value = omitted_value(item, draw_seed) if value is None else value
        except InputError as error:
            mistakes.append(error)
        if value is not None:
            offered[item.key] = value
    inputs = as_sent(deployment, offered)
    names = {item.option for item in deployment.offered}
    dropped += [name for name in form_values if name not in names and name != GPU]
    chosen = deployment.default_gpu
    try:
        chosen = _gpu(deployment, gpu, form_values, dropped)
    except InputError as error:
        mistakes.append(error)
    if mistakes:
        raise InputErrors(mistakes)
    collected = CollectedInputs(
        inputs, chosen, seed_of(deployment, inputs), prompt_of(deployment, inputs), {}
    )
    return Revision(collected, tuple(dict.fromkeys(dropped)))


def _rank(item: Input, earlier: OfferedValue | None) -> int:
    """Return an input's rank in a form: prompts first, then values that the user chose, then the others.

    A required input without a value comes early, because the form can't be sent without it. A seed comes
    after the other chosen values, because the bot may have drawn it.
    """
    if item.is_prompt:
        return 0
    if item.required and earlier is None:
        return 1
    if item.is_negative_prompt:
        return 2
    if earlier is not None and earlier != item.default:
        return 4 if item.is_seed else 3
    return 6 if item.kind in ATTACHMENTS else 5


def _field(item: Input, earlier: OfferedValue | None, form_values: FormValues) -> FormField:
    choices = tuple(choice.name for choice in item.choices)
    if item.kind is InputKind.BOOLEAN and not choices:
        choices = ("yes", "no")
    if isinstance(earlier, Size) and earlier not in item.sizes and _accepts(item, earlier):
        choices = (*choices, str(earlier))
    value = form_values.get(item.option)
    shown = item.default if earlier is None and _shows_default(item) else earlier
    text = value if isinstance(value, str) else _as_typed(item, shown)
    return FormField(item.option, item, text, choices)


def _shows_default(item: Input) -> bool:
    """Return whether a form preselects the default of an input that the earlier run omitted.

    If the user leaves it, the input is omitted again. Without this, a checkbox, which is always on or off,
    could show a value that the earlier run didn't have.
    """
    is_choice = bool(item.choices) or item.kind is InputKind.BOOLEAN
    return is_choice and not item.required and not item.is_seed


def _accepts(item: Input, size: Size) -> bool:
    try:
        check_value(item, size)
    except InputError:
        return False
    return True


def _as_typed(item: Input, value: OfferedValue | None) -> str:
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
    item: Input, earlier: OfferedValue | None, form_values: FormValues, dropped: list[str]
) -> OfferedValue | None:
    entered = form_values.get(item.option)
    if isinstance(entered, tuple):
        return _files(item, entered)
    if entered is None or item.kind in ATTACHMENTS:
        return _earlier_value(item, earlier, dropped)
    if isinstance(earlier, Size) and entered == str(earlier):
        return _earlier_value(item, earlier, dropped)
    if entered.strip():
        value = check_value(item, entered)
        return None if earlier is None and _shows_default(item) and value == item.default else value
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


def _earlier_value(item: Input, earlier: OfferedValue | None, dropped: list[str]) -> OfferedValue | None:
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


def _no_longer_offered(deployment: Deployment, earlier: Mapping[str, OfferedValue]) -> list[str]:
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
