"""What ComfyDeploy says of a deployment: the few fields we keep of GET /deployment and GET /deployments.

Everything else is dropped on arrival, because the nodes' raw fields come along and can be secrets (a
`bearer_token` on a LoRA node). The models round-trip through JSON: the store keeps them for a start while
ComfyDeploy is down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import from_json

from bot.comfydeploy.wire import WireError, load

Scalar = str | int | float | bool
_MODEL = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
_LARGEST = 2**53  # what Discord's own number options can hold


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> int | float | None:
    """A finite number, also from a string; a limit wired to another node is no limit that we can know."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= _LARGEST else None


def _count(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _default(value: object) -> object:
    """Kept as given when it is a scalar or a list of scalars (`["70", 0]` is a wire to node 70)."""
    if isinstance(value, list | tuple):
        return tuple(filter(_is_scalar, value))
    return value if _is_scalar(value) else None


def _is_scalar(value: object) -> bool:
    """Numbers beyond 64 bits are none that a node takes; infinity is what JSON's 1e999 reads as."""
    if isinstance(value, int | float):
        return abs(value) < 2**64
    return isinstance(value, str)


def _options(value: object) -> tuple[str, ...]:
    """Options as words. One written as text is JSON, or else one a line, or else separated by commas."""
    if isinstance(value, str):
        value = _split(value)
    if not isinstance(value, list | tuple):
        return ()
    words = (str(item) for item in value if _is_scalar(item) and not isinstance(item, bool))
    return tuple(dict.fromkeys(word for word in words if word))


def _split(text: str) -> object:
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        if text.lstrip().startswith(("[", "{")):
            return None
        return [part.strip() for part in text.split("\n" if "\n" in text.strip() else ",")]


class InputType(BaseModel):
    """One input as its node describes it; what is missing or of the wrong type reads as absent.

    `class_type` is the node's class, `input_id` the key in the queue call's `inputs` (it can repeat).
    `default_value` is a tuple when it came as a list. `enum_options` is empty when there are none, or none
    that can be understood: then `enum_raw` holds the text that was given.
    """

    model_config = _MODEL

    type: Annotated[str, BeforeValidator(_text)] = ""
    class_type: Annotated[str, BeforeValidator(_text)] = ""
    input_id: str
    display_name: Annotated[str, BeforeValidator(_text)] = ""
    description: Annotated[str, BeforeValidator(_text)] = ""
    default_value: Annotated[Scalar | tuple[Scalar, ...] | None, BeforeValidator(_default)] = None
    min_value: Annotated[int | float | None, BeforeValidator(_number)] = None
    max_value: Annotated[int | float | None, BeforeValidator(_number)] = None
    step: Annotated[int | float | None, BeforeValidator(_number)] = None
    enum_options: Annotated[tuple[str, ...], BeforeValidator(_options)] = ()
    enum_raw: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _keep_unreadable_options(cls, data: Any) -> Any:
        options = data.get("enum_options") if isinstance(data, dict) else None
        if isinstance(options, str) and options.strip() and not _options(options):
            return {**data, "enum_raw": options}
        return data


class DeploymentInfo(BaseModel):
    """A deployment as ComfyDeploy describes it. `run_timeout` is in seconds; `inputs` are in node order."""

    model_config = _MODEL

    id: str
    name: Annotated[str, BeforeValidator(_text)] = ""
    description: Annotated[str, BeforeValidator(_text)] = ""
    environment: Annotated[str, BeforeValidator(_text)] = ""
    gpu: Annotated[str | None, BeforeValidator(_word)] = None
    concurrency_limit: Annotated[int | None, BeforeValidator(_count)] = None
    run_timeout: Annotated[int | None, BeforeValidator(_count)] = None
    inputs: tuple[InputType, ...] = ()


def parse_deployment(body: bytes) -> DeploymentInfo:
    """The answer of GET /deployment/{id}; WireError when it is none."""
    return _deployment(load(body))


def parse_deployments(body: bytes) -> tuple[DeploymentInfo, ...]:
    """The answer of GET /deployments; an entry that can't be read is left out."""
    entries = load(body)
    if not isinstance(entries, list):
        raise WireError("the list of deployments is not a list")
    return tuple(info for entry in entries if (info := _readable(entry)) is not None)


def _readable(entry: object) -> DeploymentInfo | None:
    try:
        return _deployment(entry)
    except WireError:
        return None


def _deployment(data: object) -> DeploymentInfo:
    if not isinstance(data, Mapping):
        raise WireError("the deployment is not an object")
    workflow = data.get("workflow")
    name = workflow.get("name") if isinstance(workflow, Mapping) else None
    entries = data.get("input_types")
    inputs = tuple(filter(_named, entries)) if isinstance(entries, list) else ()
    try:
        return DeploymentInfo.model_validate({**data, "name": name, "inputs": inputs})
    except ValidationError as error:
        raise WireError(f"the deployment can't be read: {error.error_count()} faults") from None


def _named(entry: object) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("input_id"), str) and entry["input_id"] != ""
