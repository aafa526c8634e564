"""Merge the backend's description of a deployment with `deployments.toml`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.deployments.compile.inputs import InputDraft, compile_input, kind_for
from bot.deployments.compile.prompt_and_seed import prompt_rank, with_markers
from bot.deployments.compile.sizes import is_side, join_sides
from bot.deployments.model import Deployment, Input, varies_in_batch
from bot.deployments.naming import RESERVED, one_line, slug, unique
from bot.deployments.schema import DeploymentConfig, InputConfig
from bot.domain.backend import DeploymentDescription, InputDescription, InputKind

_UNCONFIGURED = InputConfig()
MAX_COUNT = 4


def compile_deployment(
    config: DeploymentConfig, info: DeploymentDescription | None, gpus: tuple[str, ...]
) -> Deployment:
    """Return the deployment as `/generate` offers it.

    `info` may be None only if the file alone describes the deployment (see `describes_itself`). `gpus` are
    the backend's GPUs. Inputs in the file come first, in the file's order. The backend lists the others in
    no meaningful order, so the likely prompt is put first among them.
    """
    separate = with_markers([compile_input(draft) for draft in _drafts(config, info)])
    drafts, size_warnings = join_sides(config.sizes, separate)
    warnings = [*_warnings(separate), *size_warnings]
    allowed, default_gpu, gpu_warnings = _gpus(config, info, gpus)
    inputs = tuple(_named(drafts))
    title = config.title or (one_line(info.name) if info else "") or config.name
    return Deployment(
        name=config.name,
        deployment_id=config.deployment_id,
        title=title,
        description=one_line(config.description or (info.description if info else "") or title),
        inputs=inputs,
        group=config.group,
        gpus=allowed,
        default_gpu=default_gpu,
        pinned_gpu=info.gpu if info else None,
        concurrency_limit=config.concurrency_limit or (info.concurrency_limit if info else None),
        max_count=config.max_count or (MAX_COUNT if any(map(varies_in_batch, inputs)) else 1),
        run_timeout=info.run_timeout if info else None,
        age_restricted=config.age_restricted,
        warnings=tuple(f"deployment '{config.name}': {text}" for text in (*warnings, *gpu_warnings)),
    )


def describes_itself(config: DeploymentConfig) -> bool:
    """Return whether the file alone is enough to offer the deployment: it has inputs, all of a known kind."""
    return bool(config.inputs) and all(kind_for(item, None) is not None for item in config.inputs.values())


def _drafts(config: DeploymentConfig, info: DeploymentDescription | None) -> list[InputDraft]:
    """Return the file's inputs in order, followed by the backend's other inputs, with the likely prompt first
    among these.
    """
    described: dict[str, list[InputDescription]] = {}
    for each in info.inputs if info else ():
        described.setdefault(each.key, []).append(each)
    drafts = [InputDraft(key, item, tuple(described.pop(key, ()))) for key, item in config.inputs.items()]
    others = _UNCONFIGURED.model_copy(update={"hidden": True}) if config.only_listed_inputs else _UNCONFIGURED
    rest = [InputDraft(key, others, tuple(found)) for key, found in described.items()]
    rest = [
        replace(draft, config=_UNCONFIGURED) if is_side(config.sizes, *draft.names) else draft
        for draft in rest
    ]
    return drafts + sorted(rest, key=lambda draft: prompt_rank(draft) != 0)


def _named(drafts: Sequence[InputDraft]) -> Iterable[Input]:
    """Assign valid, unique option names to the offered inputs, avoiding those of the bot's own options.

    Names from the file win over those from the backend.
    """
    taken = set(RESERVED)
    options: dict[str, str] = {}
    for draft in sorted(drafts, key=lambda draft: draft.config.option is None):
        if draft.input.offered:
            options[draft.key] = _option(draft, taken)
            taken.update(replace(draft.input, option=options[draft.key]).option_names)
    return [replace(draft.input, option=options.get(draft.key) or slug(draft.label)) for draft in drafts]


def _option(draft: InputDraft, taken: set[str]) -> str:
    item = draft.input
    name = draft.config.option or slug(draft.key)
    if name in RESERVED:
        name = f"{name}_input"
    batch = item.kind is InputKind.IMAGES and item.max_count > 1
    if batch and not draft.config.option:
        name = name.removesuffix("s") or name
    room = len(str(item.max_count)) if batch else 0
    # An input with several attachments uses only its numbered names, so `image1` and `image` can coexist.
    tried = set() if batch else set(taken)
    while True:
        option = unique(name, tried, room=room)
        if taken.isdisjoint(replace(item, option=option).option_names):
            return option
        tried.add(option)


def _warnings(drafts: Iterable[InputDraft]) -> list[str]:
    return [f"input '{draft.key}' {warning}" for draft in drafts for warning in draft.warnings]


def _gpus(
    config: DeploymentConfig, info: DeploymentDescription | None, known: tuple[str, ...]
) -> tuple[tuple[str, ...], str | None, tuple[str, ...]]:
    """Return the GPUs to choose from, the default GPU, and warnings.

    If the backend pins the deployment's GPU, it ignores any other. A choice is then offered only if the file
    asks for it.
    """
    pinned = info.gpu if info else None
    gpus, default = config.gpus, config.default_gpu
    if gpus is None:
        gpus = (pinned,) if pinned else known if default in (None, *known) else (*known, str(default))
    elif len(gpus) == 1:
        default = gpus[0]
    if pinned and (default not in (None, pinned) or set(gpus) != {pinned}):
        return gpus, default, (f"ComfyDeploy pins its GPU to {pinned}, whatever is chosen here",)
    return gpus, default, ()
