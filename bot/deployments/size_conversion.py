"""Convert between the one option for sizes and the two inputs that it represents.

Runs and presets store the two inputs, as they are sent to the backend. That way old runs and presets remain
valid when `sizes` is added to `deployments.toml`, changed or removed.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.deployments.compile.inputs import number
from bot.deployments.model import Deployment, Input, OfferedValue, Size
from bot.domain.runs import InputValue


def size_input(deployment: Deployment) -> Input | None:
    """Return the input that offers sizes, or None."""
    return next((item for item in deployment.inputs if item.parts), None)


def as_offered(deployment: Deployment, inputs: Mapping[str, InputValue]) -> dict[str, OfferedValue]:
    """Convert stored inputs to offered ones: width and height become one size.

    If only one of the two is stored, the other had its default. Values that are not numbers stay as they are.
    """
    values: dict[str, OfferedValue] = dict(inputs)
    item = size_input(deployment)
    if item is None or not any(part.key in inputs for part in item.parts):
        return values
    stored = [inputs.get(part.key) for part in item.parts]
    numbers = [
        _default(part) if value is None else number(str(value), part.kind)
        for part, value in zip(item.parts, stored, strict=True)
    ]
    if any(value is not None and found is None for value, found in zip(stored, numbers, strict=True)):
        return values
    for part in item.parts:
        values.pop(part.key, None)
    values[item.key] = Size(*numbers)
    return values


def as_sent(deployment: Deployment, values: Mapping[str, OfferedValue]) -> dict[str, InputValue]:
    """Convert offered inputs to the backend's: a size becomes its width and height."""
    inputs: dict[str, InputValue] = {}
    item = size_input(deployment)
    for key, value in values.items():
        if not isinstance(value, Size):
            inputs[key] = value
        elif item is not None:
            pairs = zip(item.parts, value.values, strict=True)
            inputs |= {part.key: part_value for part, part_value in pairs if part_value is not None}
    return inputs


def _default(part: Input) -> int | float | None:
    return part.default if isinstance(part.default, int | float) else None
