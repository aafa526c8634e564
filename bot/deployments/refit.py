"""An earlier run's inputs, fitted to the deployment as it is now. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.deployments.checks import check_value
from bot.deployments.model import ATTACHMENTS, Deployment, Input
from bot.errors import InputError
from bot.runs import InputValue


def refit(
    deployment: Deployment, earlier: Mapping[str, InputValue], draw_seed: Callable[[Input], int]
) -> dict[str, InputValue]:
    """The inputs of a repeat, with a new seed. InputError where an earlier value is no longer taken.

    Inputs that are no longer offered are left out, so that nobody keeps a setting that was taken away.
    """
    fitted: dict[str, InputValue] = {}
    for item in deployment.inputs:
        value = item.fixed if not item.offered else _again(item, earlier.get(item.key), draw_seed)
        if value is not None:
            fitted[item.key] = value
    return fitted


def _again(item: Input, earlier: InputValue | None, draw_seed: Callable[[Input], int]) -> InputValue | None:
    if item.is_seed:
        return draw_seed(item)
    if earlier is None:
        if item.required:
            raise InputError("input_required", option=item.option_names[0])
        return item.default if item.send_default else None
    if item.kind in ATTACHMENTS or isinstance(earlier, list):
        return earlier
    return check_value(item, earlier)
