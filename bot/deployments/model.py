"""What a deployment offers, after ComfyDeploy's word and `deployments.toml` have been put together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.runs import InputValue, Run


def varies_in_batch(item: Input) -> bool:
    """Whether each of several gets another value of this input.

    Without such an input all of them would be alike, as far as one can know: then `count` is offered only
    where deployments.toml asks for it, for workflows that draw by themselves.
    """
    return item.is_seed and item.offered and not item.choices


# The page's seven, in its order; `deployments.toml` cuts the list down or extends it.
GPUS = ("T4", "L4", "A10G", "L40S", "A100", "A100-80GB", "H100")


class InputKind(StrEnum):
    """What a person gives: it decides the type of the slash-command option."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    IMAGE = "image"
    IMAGES = "images"  # several attachments, sent as a list of URLs
    VIDEO = "video"
    AUDIO = "audio"
    FILE = "file"
    WEIGHTS = "weights"  # LoRA or checkpoint: only ever one of the configured choices


ATTACHMENTS = frozenset({InputKind.IMAGE, InputKind.IMAGES, InputKind.VIDEO, InputKind.AUDIO, InputKind.FILE})


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values a person may pick: `name` is shown, `value` is sent."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a deployment. `key` is ComfyDeploy's `input_id`, `option` the name in Discord.

    `default` None means that there is no usable one. `fixed` is sent always and offered never.
    `hidden` leaves the input to ComfyDeploy's own default. An input that is left out is left to that default
    too, unless `send_default` says that ours differs from it. `max_count` is about `IMAGES` only.
    """

    key: str
    option: str
    kind: InputKind
    description: str = ""
    required: bool = False
    default: InputValue | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    choices: tuple[Choice, ...] = ()
    max_count: int = 1
    is_prompt: bool = False
    is_seed: bool = False
    send_default: bool = False
    fixed: InputValue | None = None
    hidden: bool = False

    @property
    def offered(self) -> bool:
        return self.fixed is None and not self.hidden

    @property
    def option_names(self) -> tuple[str, ...]:
        """One name, or one for each attachment of a batch: `image1`, `image2` …"""
        if self.kind is not InputKind.IMAGES or self.max_count == 1:
            return (self.option,)
        return tuple(f"{self.option}{number}" for number in range(1, self.max_count + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment as `/generate` offers it. `name` is the subcommand and the key in the store.

    `max_count` is how many runs one request may start. `run_timeout` in seconds. `warnings` are sentences for
    the operator: what was left out, and why.
    """

    name: str
    deployment_id: str
    title: str
    description: str
    inputs: tuple[Input, ...]
    group: str | None = None
    gpus: tuple[str, ...] = GPUS
    default_gpu: str | None = None
    concurrency_limit: int | None = None
    max_count: int = 1
    run_timeout: int | None = None
    age_restricted: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def offered(self) -> tuple[Input, ...]:
        return tuple(item for item in self.inputs if item.offered)


_PICTURES = frozenset({InputKind.IMAGE, InputKind.IMAGES})


def picture_input(deployment: Deployment) -> Input | None:
    """The input that a picture goes into: a required one before others."""
    found = [item for item in deployment.offered if item.kind in _PICTURES]
    return min(found, key=lambda item: not item.required, default=None)


def taking_pictures(deployments: Sequence[Deployment]) -> list[Deployment]:
    """The deployments that have an image input."""
    return [each for each in deployments if picture_input(each) is not None]


def deployment_of(run: Run, deployments: Sequence[Deployment]) -> Deployment | None:
    """Also one that was given another name since."""
    same = (each for each in deployments if each.name == run.deployment)
    renamed = (each for each in deployments if each.deployment_id == run.deployment_id)
    return next(same, None) or next(renamed, None)
