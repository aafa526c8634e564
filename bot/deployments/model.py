"""A deployment and its inputs, merged from the backend's description and `deployments.toml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple, Protocol, TypeVar
from uuid import UUID

from bot.domain.backend import InputKind
from bot.domain.runs import InputValue, Run


def varies_in_batch(item: Input) -> bool:
    """Return whether each run of a batch gets a different value of this input.

    Without such an input, all runs would be identical. `count` is then offered only if `max_count` is set in
    deployments.toml, for workflows that randomize on their own.
    """
    return item.is_seed and item.offered and not item.choices


_PICTURES = frozenset({InputKind.IMAGE, InputKind.IMAGES})
ATTACHMENTS = frozenset({InputKind.IMAGE, InputKind.IMAGES, InputKind.VIDEO, InputKind.AUDIO, InputKind.FILE})


@dataclass(frozen=True, slots=True)
class Choice:
    """An allowed value: `name` is displayed, `value` is sent."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Size:
    """A width and a height that one option sets; None is a value that only the backend knows."""

    width: int | float | None
    height: int | float | None

    def __str__(self) -> str:
        return " × ".join("?" if value is None else f"{value:.15g}" for value in self.values)

    @property
    def values(self) -> tuple[int | float | None, int | float | None]:
        return self.width, self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An input of a deployment: `key` is the backend's name for it, `option` its name in Discord.

    A `fixed` value is always sent and never offered. A `hidden` input uses the backend's default. If the user
    omits an input, `default` is sent if `send_default` is set. Otherwise a seed is drawn at random, and any
    other input uses the backend's default. If `default` is None, there is no usable default. `max_count`
    applies to `IMAGES` only.

    The option for sizes is an input that only the bot knows. It is a choice that sets the two backend inputs
    in `parts`, and `sizes` are the values of its choices.
    """

    key: str
    option: str
    kind: InputKind
    description: str = ""
    required: bool = False
    default: InputValue | Size | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    choices: tuple[Choice, ...] = ()
    max_count: int = 1
    is_prompt: bool = False
    is_negative_prompt: bool = False
    is_seed: bool = False
    send_default: bool = False
    fixed: InputValue | None = None
    hidden: bool = False
    parts: tuple[Input, ...] = ()
    sizes: tuple[Size, ...] = ()

    @property
    def offered(self) -> bool:
        return self.fixed is None and not self.hidden

    @property
    def option_names(self) -> tuple[str, ...]:
        """Return the option's name, or one name per attachment (`image1`, `image2`)."""
        if self.kind is not InputKind.IMAGES or self.max_count == 1:
            return (self.option,)
        return tuple(f"{self.option}{number}" for number in range(1, self.max_count + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """An action that can follow a result: a new run that takes one of the result's files as an input.

    `target` is the id of the deployment to run, since its name may change. `takes` maps kinds of inputs to
    the key of the input that takes the file; FILE, which takes any file, is last. `carry` maps the names of
    copied inputs to their keys in the target. `inputs` are fixed values, and `ask` holds the keys of the
    inputs that a form asks for.
    """

    label: str
    target: str
    takes: Mapping[InputKind, str]
    emoji: str | None = None
    carry: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inputs: Mapping[str, InputValue] = field(default_factory=dict)
    ask: tuple[str, ...] = ()

    @property
    def reference(self) -> FollowUpRef:
        mark = sha256(self.label.casefold().encode("utf-8", "replace")).hexdigest()[:8]
        return FollowUpRef(UUID(self.target).hex, mark)

    @property
    def takes_pictures(self) -> bool:
        return not _PICTURES.isdisjoint(self.takes)


class FollowUpRef(NamedTuple):
    """The identity of a follow-up in a custom_id: the id of its target, and a digest of its label."""

    target: str
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment as `/generate` offers it; `name` is the subcommand and the key in the store.

    `max_count` limits the runs of one request. `run_timeout` is in seconds. A deployment with a `pinned_gpu`
    runs only on that GPU, whatever the user chooses. `warnings` tell the operator what was left out and why.
    """

    name: str
    deployment_id: str
    title: str
    description: str
    inputs: tuple[Input, ...]
    group: str | None = None
    gpus: tuple[str, ...] = ()
    default_gpu: str | None = None
    pinned_gpu: str | None = None
    concurrency_limit: int | None = None
    max_count: int = 1
    run_timeout: int | None = None
    age_restricted: bool = False
    follow_ups: tuple[FollowUp, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def offered(self) -> tuple[Input, ...]:
        return tuple(item for item in self.inputs if item.offered)

    @property
    def usable_gpus(self) -> tuple[str, ...]:
        """Return the GPUs that a run may use, as far as they are known."""
        return (self.pinned_gpu,) if self.pinned_gpu is not None else self.gpus

    def expected_gpu(self, chosen: str | None) -> str | None:
        """Return the GPU that a run will use, or None if only the backend knows it."""
        return self.pinned_gpu or chosen or self.default_gpu


def picture_input(deployment: Deployment) -> Input | None:
    """Return the input that takes a picture, preferably a required one, or None."""
    inputs = [item for item in deployment.offered if item.kind in _PICTURES]
    return min(inputs, key=lambda item: not item.required, default=None)


def taking_pictures(deployments: Sequence[Deployment]) -> list[Deployment]:
    """Return the deployments that have an image input."""
    return [deployment for deployment in deployments if picture_input(deployment) is not None]


class Named(Protocol):
    """A deployment, or its configuration."""

    @property
    def name(self) -> str: ...
    @property
    def deployment_id(self) -> str: ...


N = TypeVar("N", bound=Named)


def deployment_of(run: Run, deployments: Sequence[N]) -> N | None:
    """Return a run's deployment, by name or, if it has been renamed, by id. Return None if it is gone."""
    by_name = (deployment for deployment in deployments if deployment.name == run.deployment)
    by_id = (deployment for deployment in deployments if deployment.deployment_id == run.deployment_id)
    return next(by_name, None) or next(by_id, None)
