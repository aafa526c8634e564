"""Combine a form with an earlier run's values, and find values that the deployment no longer accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from bot.deployments.form_fields import FormValues, shows_default
from bot.deployments.inputs import CollectedInputs, check_gpu, omitted_value, prompt_of, seed_of
from bot.deployments.model import ATTACHMENTS, Deployment, Input, OfferedValue, Size
from bot.deployments.options import GPU
from bot.deployments.size_conversion import as_offered, as_sent
from bot.deployments.validation import AttachedFile, check_file, check_value
from bot.domain.backend import InputKind
from bot.domain.errors import InputError, InputErrors
from bot.domain.runs import InputValue


@dataclass(frozen=True, slots=True)
class Revision:
    """The revised inputs, and the names of inputs whose values the deployment no longer accepts."""

    inputs: CollectedInputs
    dropped: tuple[str, ...]


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
    files: dict[str, tuple[AttachedFile, ...]] = {}
    mistakes: list[InputError] = []
    before = as_offered(deployment, earlier)
    dropped = _no_longer_offered(deployment, before)
    for item in deployment.inputs:
        value: OfferedValue | None = item.fixed
        try:
            if item.offered:
                value = _value(item, before.get(item.key), form_values, dropped)
                value = omitted_value(item, draw_seed) if value is None else value
                if isinstance(attached := form_values.get(item.option), tuple):
                    files[item.key] = attached
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
        inputs, chosen, seed_of(deployment, inputs), prompt_of(deployment, inputs), files
    )
    return Revision(collected, tuple(dict.fromkeys(dropped)))


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
        return None if earlier is None and shows_default(item) and value == item.default else value
    # A text that the user has emptied is sent as empty; any other blank field means the default.
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
