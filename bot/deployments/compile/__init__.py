"""Complete the settings of a deployment with the backend's description."""

from __future__ import annotations

from collections.abc import Iterable

from bot.deployments.compile.inputs import Source, complete_input, find_prompt
from bot.deployments.compile.sizes import is_side, join_sides
from bot.deployments.kinds.base import Input
from bot.deployments.model import Deployment
from bot.deployments.schema import DeploymentSettings, InputSettings
from bot.deployments.schema.field_types import RESERVED, one_line, slug, unique
from bot.domain.backend import DeploymentDescription, InputDescription, InputKind

_UNCONFIGURED = InputSettings()
_HIDDEN = InputSettings(hidden=True)
MAX_COUNT = 4


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
    described: dict[str, list[InputDescription]] = {}
    for each in info.inputs if info else ():
        described.setdefault(each.key, []).append(each)
    listed = [Source(key, item, tuple(described.pop(key, ()))) for key, item in settings.inputs.items()]
    rest = [Source(key, _UNCONFIGURED, tuple(found)) for key, found in described.items()]
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
