"""A deployment as `/generate` offers it: its settings, completed from the backend's description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple, TypeVar
from uuid import UUID

from bot.deployments.choices import GpuInput, input_of
from bot.deployments.compile_inputs import Source, complete_input, find_prompt, is_side, join_sides
from bot.deployments.inputs import Input
from bot.deployments.schema import (
    Choice,
    DeploymentSettings,
    FollowUpSettings,
    InputSettings,
)
from bot.deployments.schema.field_types import COUNT, GPU, RESERVED, one_line, slug, unique
from bot.domain.backend import DeploymentDescription, InputDescription, InputKind
from bot.domain.runs import Run
from bot.strings import say

_UNCONFIGURED = InputSettings()
_HIDDEN = InputSettings(hidden=True)
MAX_COUNT = 4
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


def compile_deployment(
    settings: DeploymentSettings, info: DeploymentDescription | None, gpus: tuple[str, ...]
) -> Deployment:
    """Return the deployment as `/generate` offers it, without its follow-ups.

    `info` may be None only if the file alone describes the deployment (see `describes_itself`). `gpus` are
    the backend's GPUs. Inputs in the file come first, in the file's order. The backend lists the others in
    no meaningful order, so the likely prompt is put first among them.
    """
    sources = _sources(settings, info)
    prompt, separate, warnings = find_prompt(sources), [], []
    for source in sources:
        item, mistakes = complete_input(source, is_prompt=source is prompt)
        separate.append((source, item))
        warnings += [f"input '{item.key}' {mistake}" for mistake in mistakes]
    joined, size_warnings = join_sides(settings.sizes, separate)
    allowed, default_gpu, gpu_warnings = _gpus(settings, info, gpus)
    inputs = _with_names(joined)
    title = settings.title or (one_line(info.name) if info else "") or settings.name
    changes = {
        "title": title,
        "description": one_line(settings.description or (info.description if info else "") or title),
        "inputs": inputs,
        "gpus": allowed,
        "default_gpu": default_gpu,
        "pinned_gpu": info.gpu if info else None,
        "concurrency_limit": settings.concurrency_limit or (info.concurrency_limit if info else None),
        "max_count": settings.max_count
        or (MAX_COUNT if any(item.varies_in_batch for item in inputs.values()) else 1),
        "run_timeout": info.run_timeout if info else None,
        "follow_ups": (),
        "warnings": tuple(
            f"deployment '{settings.name}': {text}" for text in (*warnings, *size_warnings, *gpu_warnings)
        ),
    }
    return Deployment.model_construct(**{**dict(settings), **changes})


def describes_itself(settings: DeploymentSettings) -> bool:
    """Return whether the file alone is enough to offer the deployment: it has inputs, all of a known kind."""
    return bool(settings.inputs) and all(Source(key, item).kind for key, item in settings.inputs.items())


def _sources(settings: DeploymentSettings, info: DeploymentDescription | None) -> list[Source]:
    described: dict[str, InputDescription] = {}
    for each in info.inputs if info else ():
        # All nodes with the same key receive the same value, so it has to fit each of them.
        first = described.setdefault(each.key, each)
        described[each.key] = replace(
            first,
            minimum=max((low for low in (first.minimum, each.minimum) if low is not None), default=None),
            maximum=min((high for high in (first.maximum, each.maximum) if high is not None), default=None),
        )
    listed = [Source(key, item, described.pop(key, None)) for key, item in settings.inputs.items()]
    rest = [Source(key, _UNCONFIGURED, each) for key, each in described.items()]
    if settings.only_listed_inputs:
        rest = [
            each if is_side(settings.sizes, each.names) else Source(each.key, _HIDDEN, each.described)
            for each in rest
        ]
    return listed + sorted(rest, key=lambda source: source.prompt_rank != 0)


def _with_names(items: Iterable[Input]) -> dict[str, Input]:
    """Assign valid, unique option names to the offered inputs, avoiding those of the bot's own options.

    Names from the file win over those from the backend.
    """
    found = {item.key: item for item in items}
    taken = set(RESERVED)
    for item in sorted(found.values(), key=lambda item: not item.option):
        option = _option(item, taken) if item.offered else slug(item.option or item.key)
        found[item.key] = named = _named(item, option)
        taken.update(named.option_names if item.offered else ())
    return found


def _named(item: Input, option: str) -> Input:
    return item.model_copy(update={"option": option})


def _option(item: Input, taken: set[str]) -> str:
    name = item.option or slug(item.key)
    if name in RESERVED:
        name = f"{name}_input"
    batch = item.kind is InputKind.IMAGES and item.max_count > 1
    if batch and not item.option:
        name = name.removesuffix("s") or name
    room = len(str(item.max_count)) if batch else 0
    # An input with several attachments uses only its numbered names, so `image1` and `image` can coexist.
    tried = set() if batch else set(taken)
    while True:
        option = unique(name, tried, room=room)
        if taken.isdisjoint(_named(item, option).option_names):
            return option
        tried.add(option)


def _gpus(
    settings: DeploymentSettings, info: DeploymentDescription | None, known: tuple[str, ...]
) -> tuple[tuple[str, ...], str | None, tuple[str, ...]]:
    """Return the GPUs to choose from, the default GPU, and warnings.

    If the backend pins the deployment's GPU, it ignores any other. A choice is then offered only if the file
    asks for it.
    """
    pinned = info.gpu if info else None
    gpus, default = settings.gpus, settings.default_gpu
    if gpus is None:
        gpus = (pinned,) if pinned else known if default in (None, *known) else (*known, str(default))
    elif len(gpus) == 1:
        default = gpus[0]
    if pinned and (default not in (None, pinned) or set(gpus) != {pinned}):
        return gpus, default, (f"ComfyDeploy pins its GPU to {pinned}, whatever is chosen here",)
    return gpus, default, ()
