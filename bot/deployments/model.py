"""A deployment as `/generate` offers it: its settings, completed from the backend's description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple, TypeVar
from uuid import UUID

from bot.deployments.choices import GpuInput, input_of
from bot.deployments.inputs import Input
from bot.deployments.schema import Choice, DeploymentSettings, FollowUpSettings
from bot.deployments.schema.field_types import COUNT, GPU
from bot.domain.backend import InputKind
from bot.domain.runs import Run
from bot.strings import say

PICTURES = frozenset({InputKind.IMAGE, InputKind.IMAGES})


class FollowUp(FollowUpSettings):
    """A follow-up that fits: a new run that takes one of the result's files as an input.

    `target` is the id of the deployment to run, since its name may change. `takes` maps kinds of inputs to
    the key of the input that takes the file; FILE, which takes any file, is last. `inputs` are values, and
    `ask` are inputs, by the target's keys.
    """

    target: str
    takes: Mapping[InputKind, str]

    @property
    def reference(self) -> FollowUpRef:
        mark = sha256(self.label.casefold().encode("utf-8", "replace")).hexdigest()[:8]
        return FollowUpRef(UUID(self.target).hex, mark)


class FollowUpRef(NamedTuple):
    """The identity of a follow-up in a custom_id: the id of its target, and a digest of its label."""

    target: str
    mark: str


class Deployment(DeploymentSettings):
    """A deployment as `/generate` offers it; `name` is the subcommand and the key in the store.

    `max_count` limits the runs of one request. `run_timeout` is in seconds. A deployment with a `pinned_gpu`
    runs only on that GPU, whatever the user chooses. `warnings` tell the operator what was left out and why.
    """

    title: str
    description: str
    inputs: Mapping[str, Input]
    gpus: tuple[str, ...] = ()
    max_count: int = 1
    pinned_gpu: str | None = None
    run_timeout: int | None = None
    follow_ups: tuple[FollowUp, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def offered(self) -> tuple[Input, ...]:
        return tuple(item for item in self.inputs.values() if item.offered)

    @property
    def prompt(self) -> Input | None:
        """Return the input for the prompt, or None."""
        return next((item for item in self.offered if item.is_prompt), None)

    @property
    def usable_gpus(self) -> tuple[str, ...]:
        """Return the GPUs that a run may use, as far as they are known."""
        return (self.pinned_gpu,) if self.pinned_gpu is not None else self.gpus

    def gpu_input(self, weights: Mapping[str, float] = MappingProxyType({})) -> GpuInput:
        """Return the option for the GPU. `weights` are those of the user's server."""
        return GpuInput.model_construct(
            key=GPU,
            option=GPU,
            kind=InputKind.CHOICE,
            display_name=say("edit_label_gpu"),
            description=say("option_gpu"),
            choices=tuple(Choice.model_construct(name=gpu, value=gpu) for gpu in self.gpus),
            default=self.default_gpu,
            weights=weights,
        )

    @property
    def count_input(self) -> Input:
        """Return the option for the number of runs."""
        label, about = say("edit_label_count"), say("option_count")
        texts = {"option": COUNT, "display_name": label, "description": about}
        return input_of(key=COUNT, kind=InputKind.INTEGER, minimum=1, maximum=self.max_count, **texts)

    def expected_gpu(self, chosen: str | None) -> str | None:
        """Return the GPU that a run will use, or None if only the backend knows it."""
        return self.pinned_gpu or chosen or self.default_gpu


def picture_input(deployment: Deployment) -> Input | None:
    """Return the input that takes a picture, preferably a required one, or None."""
    inputs = [item for item in deployment.offered if item.kind in PICTURES]
    return min(inputs, key=lambda item: not item.required, default=None)


def taking_pictures(deployments: Sequence[Deployment]) -> list[Deployment]:
    """Return the deployments that have an image input."""
    return [deployment for deployment in deployments if picture_input(deployment) is not None]


S = TypeVar("S", bound=DeploymentSettings)


def deployment_of(run: Run, deployments: Sequence[S]) -> S | None:
    """Return a run's deployment, by name or, if it has been renamed, by id. Return None if it is gone."""
    by_name = (deployment for deployment in deployments if deployment.name == run.deployment)
    by_id = (deployment for deployment in deployments if deployment.deployment_id == run.deployment_id)
    return next(by_name, None) or next(by_id, None)
