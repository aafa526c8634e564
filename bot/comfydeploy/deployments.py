"""Parse ComfyDeploy's description of a deployment.

Only the fields of the domain's records are kept, because the nodes' raw fields can contain secrets, such as
the `bearer_token` of a LoRA node. The deployment's id is required. Any other field with the wrong type is
treated as absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.comfydeploy.wire import load, number
from bot.domain.backend import DeploymentDescription, InputDescription, InputKind
from bot.domain.errors import BackendBadReply

# The seven GPUs in ComfyDeploy's documentation, in the same order.
GPUS = ("T4", "L4", "A10G", "L40S", "A100", "A100-80GB", "H100")
_LARGEST = 2**53  # the range of Discord's number options
# Limits on the size of a description, far above what Discord can offer and users can choose from.
MAX_INPUTS = 200
MAX_KEY = 200
MAX_TEXT = 1000
MAX_DEFAULT = 4000
MAX_OPTIONS = 1000  # of one input
MAX_OPTION = 500
MAX_COUNT = 604_800  # a week of seconds; dates can't be computed with much larger numbers

# The classes of ComfyDeploy's input nodes, without the prefix.
_PREFIX = "ComfyUIDeployExternal"
_CLASSES = {
    "Text": InputKind.TEXT,
    "TextAny": InputKind.TEXT,
    "TextSingleLine": InputKind.TEXT,
    "Number": InputKind.FLOAT,
    "NumberSlider": InputKind.FLOAT,
    "NumberInt": InputKind.INTEGER,
    "NumberSliderInt": InputKind.INTEGER,
    "Seed": InputKind.INTEGER,
    "Boolean": InputKind.BOOLEAN,
    "Enum": InputKind.CHOICE,
    "Image": InputKind.IMAGE,
    "ImageAlpha": InputKind.IMAGE,
    "ImageBatch": InputKind.IMAGES,
    "Video": InputKind.VIDEO,
    "Audio": InputKind.AUDIO,
    "File": InputKind.FILE,
    "EXR": InputKind.FILE,
    "Lora": InputKind.WEIGHTS,
    "Checkpoint": InputKind.WEIGHTS,
}
_TYPES = {
    "string": InputKind.TEXT,
    "integer": InputKind.INTEGER,
    "float": InputKind.FLOAT,
    "boolean": InputKind.BOOLEAN,
}
# Classes of later versions that load weights: a plain text option would let any user choose the download.
_LOADS_WEIGHTS = re.compile(r"lora|checkpoint|ckpt|model|unet|vae|controlnet|embedding", re.IGNORECASE)
MULTI_LINE = frozenset({f"{_PREFIX}Text", f"{_PREFIX}TextAny"})


def parse_deployment(body: bytes) -> DeploymentDescription:
    """Parse the response of GET /deployment/{id}, or raise BackendBadReply."""
    data = load(body, dict)
    if not isinstance(data.get("id"), str):
        raise BackendBadReply("the deployment has no id")
    workflow, nodes = data.get("workflow"), data.get("input_types")
    return DeploymentDescription(
        id=data["id"],
        name=_text(workflow.get("name")) if isinstance(workflow, Mapping) else "",
        description=_text(data.get("description")),
        gpu=_text(data.get("gpu")) or None,
        concurrency_limit=_count(data.get("concurrency_limit")),
        run_timeout=_count(data.get("run_timeout")),
        inputs=tuple(_inputs(nodes)) if isinstance(nodes, list) else (),
    )


def _inputs(nodes: list[Any]) -> Iterator[InputDescription]:
    for node in nodes[:MAX_INPUTS]:
        key = node.get("input_id") if isinstance(node, Mapping) else None
        if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY:
            continue
        default = node.get("default_value")
        # A default that is too long for an option applies, but can't be shown.
        is_long = isinstance(default, str) and len(default) > MAX_DEFAULT
        class_name = _text(node.get("class_type"))
        yield InputDescription(
            key=key,
            class_name=class_name,
            kind=kind_of(class_name, _text(node.get("type"))),
            multi_line=class_name in MULTI_LINE,
            display_name=_text(node.get("display_name")),
            description=_text(node.get("description")),
            default=default if _is_scalar(default) and not is_long else None,
            # `["70", 0]` is a connection to node 70, whose value is used.
            has_hidden_default=isinstance(default, list) or is_long,
            minimum=_number(node.get("min_value")),
            maximum=_number(node.get("max_value")),
            choices=_options(node.get("enum_options")),
        )


def kind_of(class_name: str, wire_type: str) -> InputKind | None:
    """Return the kind of a node's values. For an unknown class, it is WEIGHTS if its name suggests that;
    otherwise `wire_type` tells it.
    """
    if known := _CLASSES.get(class_name.removeprefix(_PREFIX)):
        return known
    return InputKind.WEIGHTS if _LOADS_WEIGHTS.search(class_name) else _TYPES.get(wire_type)


def _text(value: object) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _number(value: object) -> int | float | None:
    """Return a number, or None for anything else, such as a connection to a node."""
    found = number(value)
    return found if found is not None and abs(found) <= _LARGEST else None


def _count(value: object) -> int | None:
    """Parse a limit, at most MAX_COUNT. Return None for 0 or less, which means that there is no limit."""
    found = _number(value)
    return min(int(found), MAX_COUNT) if found is not None and found >= 1 else None


def _is_scalar(value: object) -> bool:
    """Return whether the value is a string, or a number or boolean that a node accepts.

    Nodes accept numbers below 2**64. JSON's 1e999 parses as infinity, so it is not accepted.
    """
    if isinstance(value, int | float):
        return abs(value) < 2**64
    return isinstance(value, str)


def _options(value: object) -> tuple[str, ...]:
    items = value[:MAX_OPTIONS] if isinstance(value, list) else ()
    words = (str(item) for item in items if _is_scalar(item) and not isinstance(item, bool))
    return tuple(dict.fromkeys(word for word in words if 0 < len(word) <= MAX_OPTION))
