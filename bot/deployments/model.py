"""A deployment as `/generate` offers it: its settings, completed from the backend's description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from itertools import count
from uuid import UUID

from bot.deployments.choices import input_of, own_input
from bot.deployments.compile_inputs import Source, complete_input, find_prompt, is_called, join_sides
from bot.deployments.files import linked_file, links_of
from bot.deployments.inputs import Input, Values, shown_value
from bot.deployments.schema import Choice, DeploymentSettings, FollowUpSettings, InputSettings
from bot.deployments.schema.field_types import COUNT, GPU, NAME_LENGTH, RESERVED, slug
from bot.domain.backend import DeploymentDescription, InputDescription, InputKind
from bot.domain.runs import Output, Run
from bot.domain.text import strip_invisible

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
    def reference(self) -> str:
        """Return its identity in a custom_id: the id of its target, and a digest of its label."""
        mark = sha256(self.label.casefold().encode("utf-8", "replace")).hexdigest()[:8]
        return UUID(self.target).hex + mark


class Deployment(DeploymentSettings):
    """A deployment as `/generate` offers it; `name` is the subcommand and the key in the store.

    `max_count` limits the runs of one request. `run_timeout` is in seconds. A deployment with a `pinned_gpu`
    runs only on that GPU, so none is sent. `warnings` tell the operator what was left out and why. Copies
    keep what is cached, so a copy must not change `inputs`.
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

    @cached_property
    def offered(self) -> tuple[Input, ...]:
        return tuple(item for item in self.inputs.values() if item.offered)

    @cached_property
    def prompt(self) -> Input | None:
        return next((item for item in self.offered if item.is_prompt), None)

    @cached_property
    def picture_input(self) -> Input | None:
        """Return the input that takes a picture, preferably a required one, or None."""
        inputs = [item for item in self.offered if item.kind in PICTURES]
        return min(inputs, key=lambda item: not item.required, default=None)

    @cached_property
    def count_input(self) -> Input:
        about, limits = "How many at once, each with its own seed", {"minimum": 1, "maximum": self.max_count}
        return own_input(COUNT, InputKind.INTEGER, about, display_name="Number of runs", **limits)

    @cached_property
    def gpu_input(self) -> Input:
        choices = tuple(Choice.model_construct(name=gpu, value=gpu) for gpu in self.gpus)
        fields = {"display_name": "GPU", "choices": choices, "default": self.default_gpu}
        return own_input(GPU, InputKind.CHOICE, "The GPU that it runs on", **fields)

    def expected_gpu(self, chosen: str | None) -> str | None:
        """Return the GPU that a run will use, or None if only the backend knows it."""
        return self.pinned_gpu or chosen or self.default_gpu


def deployment_of(run: Run, deployments: Sequence[Deployment]) -> Deployment | None:
    """Return a run's deployment, by name or, if it has been renamed, by id. Return None if it is gone."""
    by_name = (deployment for deployment in deployments if deployment.name == run.deployment)
    by_id = (deployment for deployment in deployments if deployment.deployment_id == run.deployment_id)
    return next(by_name, None) or next(by_id, None)


def follow_ups_of(run: Run, deployments: Sequence[Deployment]) -> tuple[FollowUp, ...]:
    """Return the follow-ups of a result: those of its deployment.

    If that has none, they are those of the deployments that made its files, so an enlarged picture can be
    animated as the original can. Without those that would do the same again.
    """
    own = deployment_of(run, deployments)
    if own is None or own.follow_ups:
        return own.follow_ups if own is not None else ()
    makers = [each for each in deployments if each.deployment_id in run.file_deployments]
    found = (each for maker in makers for each in maker.follow_ups if each.target != own.deployment_id)
    return tuple({each.reference: each for each in found}.values())


def compile_deployment(
    settings: DeploymentSettings, info: DeploymentDescription | None, gpus: tuple[str, ...]
) -> Deployment:
    """Return the deployment as `/generate` offers it, without its follow-ups.

    `info` may be None only if the file alone describes the deployment (see `describes_itself`). `gpus` are
    the backend's GPUs. Inputs in the file come first, in the file's order. The backend lists the others in
    no meaningful order, so the likely prompt is put first among them.
    """
    info = info or DeploymentDescription(id=settings.deployment_id)
    sources = _sources(settings, info)
    prompt, separate, warnings = find_prompt(sources), [], []
    for source in sources:
        item, mistakes = complete_input(source, is_prompt=source is prompt)
        separate.append((source, item))
        warnings += [f"input '{item.key}' {mistake}" for mistake in mistakes]
    joined, size_warnings = join_sides(settings.sizes, separate)
    warnings += size_warnings
    allowed, default_gpu = settings.gpus, settings.default_gpu
    if info.gpu:
        if not {info.gpu, None}.issuperset((*(allowed or ()), default_gpu)):
            warnings.append(f"ComfyDeploy pins its GPU to {info.gpu}, whatever is chosen here")
        allowed, default_gpu = (info.gpu,), None
    elif allowed is None:
        allowed = gpus if default_gpu in (None, *gpus) else (*gpus, str(default_gpu))
    elif len(allowed) == 1:
        default_gpu = allowed[0]
    inputs = _with_names(joined)
    most = MAX_COUNT if any(item.varies_in_batch for item in inputs.values()) else 1
    title = settings.title or strip_invisible(info.name) or settings.name
    changes = {
        "title": title,
        "description": strip_invisible(settings.description or info.description or title),
        "inputs": inputs,
        "gpus": tuple(dict.fromkeys(allowed)),
        "default_gpu": default_gpu,
        "pinned_gpu": info.gpu,
        "concurrency_limit": settings.concurrency_limit or info.concurrency_limit,
        "max_count": settings.max_count or most,
        "run_timeout": info.run_timeout,
        "follow_ups": (),
        "warnings": tuple(f"deployment '{settings.name}': {text}" for text in warnings),
    }
    return Deployment.model_construct(**{**dict(settings), **changes})


def describes_itself(settings: DeploymentSettings) -> bool:
    """Return whether the file alone is enough to offer the deployment: it has inputs, all of a known kind."""
    return bool(settings.inputs) and all(Source.of(*pair).kind for pair in settings.inputs.items())


def _sources(settings: DeploymentSettings, info: DeploymentDescription) -> list[Source]:
    described: dict[str, InputDescription] = {}
    for each in info.inputs:  # all nodes with the same key receive the same value
        described.setdefault(each.key, each)
    listed = [Source.of(key, item, described.pop(key, None)) for key, item in settings.inputs.items()]
    rest = [Source(InputSettings(), each) for each in described.values()]
    if settings.only_listed_inputs:
        hidden, sides = InputSettings(hidden=True), settings.sizes.keys if settings.sizes else ()
        rest = [
            each if any(is_called(each, key) for key in sides) else replace(each, settings=hidden)
            for each in rest
        ]
    return listed + sorted(rest, key=lambda source: source.prompt_rank != 1)


def _with_names(items: Iterable[Input]) -> dict[str, Input]:
    """Give the offered inputs valid, unique option names. Names from the file win over the backend's."""
    found = {item.key: item for item in items}
    taken = set(RESERVED)
    for item in sorted(found.values(), key=lambda item: not item.option):
        name, room = item.option or slug(item.key), 0
        if item.offered and name in RESERVED:
            name = f"{name}_input"
        if item.offered and item.kind is InputKind.IMAGES and item.max_count > 1:
            name = name if item.option else name.removesuffix("s") or name
            room = len(str(item.max_count))
        endings = ("" if number == 1 else f"_{number}" for number in count(1))
        options = (name[: NAME_LENGTH - room - len(ending)] + ending for ending in endings)
        tried = (input_of(**{**vars(item), "option": option}) for option in options)
        # An input with several attachments uses only its numbered names, so `image1` and `image` can coexist.
        named = next(each for each in tried if not each.offered or taken.isdisjoint(each.option_names))
        found[item.key] = named
        taken.update(named.option_names if named.offered else ())
    return found


@dataclass(frozen=True, slots=True)
class ShownInputs:
    """Inputs for display, by their options in the deployment's order: texts, and files as outputs."""

    values: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, Output], ...] = ()


def displayed_inputs(deployment: Deployment | None, inputs: Values) -> ShownInputs:
    """Return the inputs that the deployment offers. If `deployment` is None, return all of them by key."""
    if deployment is None:
        lists = {key: value if isinstance(value, list) else [value] for key, value in inputs.items()}
        texts = {key: ", ".join(map(shown_value, each)) for key, each in lists.items()}
        return ShownInputs(tuple(texts.items()))
    values: list[tuple[str, str]] = []
    files: list[tuple[str, Output]] = []
    for item in deployment.offered:
        if item.takes_file:
            urls = links_of(inputs.get(item.key))
            outputs = (Output(kind=item.kind, url=url, filename=linked_file(url).filename) for url in urls)
            # An earlier run may have taken more files than the deployment takes today.
            files += zip((*item.option_names, *[item.option] * len(urls)), outputs, strict=False)
        elif item.own(inputs):
            values.append((item.option, item.show(inputs)))
    return ShownInputs(tuple(values), tuple(files))
