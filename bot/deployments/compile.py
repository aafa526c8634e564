"""Puts ComfyDeploy's description of a deployment and `deployments.toml` together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.comfydeploy.deployments import DeploymentInfo, InputType
from bot.deployments.compile_input import Draft, compile_input, kind_for
from bot.deployments.model import GPUS, Deployment, Input, InputKind, varies_in_batch
from bot.deployments.naming import RESERVED, names_seed, one_line, prompt_rank, slug, unique
from bot.deployments.schema import DeploymentConfig, InputConfig

_NOTHING_SAID = InputConfig()
MAX_COUNT = 4


def compile_deployment(config: DeploymentConfig, info: DeploymentInfo | None) -> Deployment:
    """The deployment as it is offered. `info` None: the file alone describes it (see `describes_itself`).

    Inputs stand in the file's order, then those only ComfyDeploy knows: its own order is by node id and
    says nothing, so there the prompt comes first.
    """
    drafts = _with_markers([compile_input(draft) for draft in _drafts(config, info)])
    gpus, default_gpu, gpu_warnings = _gpus(config, info)
    inputs = tuple(_named(drafts))
    title = config.title or (one_line(info.name) if info else "") or config.name
    return Deployment(
        name=config.name,
        deployment_id=config.deployment_id,
        title=title,
        description=one_line(config.description or (info.description if info else "") or title),
        inputs=inputs,
        group=config.group,
        gpus=gpus,
        default_gpu=default_gpu,
        concurrency_limit=config.concurrency_limit or (info.concurrency_limit if info else None),
        max_count=config.max_count or (MAX_COUNT if any(map(varies_in_batch, inputs)) else 1),
        run_timeout=info.run_timeout if info else None,
        age_restricted=config.age_restricted,
        warnings=tuple(f"deployment '{config.name}': {text}" for text in (*_told(drafts), *gpu_warnings)),
    )


def describes_itself(config: DeploymentConfig) -> bool:
    """Whether the file alone tells all that a queue call needs: each input with its kind."""
    return bool(config.inputs) and all(kind_for(item, None) is not None for item in config.inputs.values())


def _drafts(config: DeploymentConfig, info: DeploymentInfo | None) -> list[Draft]:
    """The file's inputs in its order, then the others, the likely prompt first."""
    nodes: dict[str, list[InputType]] = {}
    for node in info.inputs if info else ():
        nodes.setdefault(node.input_id, []).append(node)
    drafts = [Draft(key, item, tuple(nodes.pop(key, ()))) for key, item in config.inputs.items()]
    others = _NOTHING_SAID.model_copy(update={"hidden": True}) if config.only_listed_inputs else _NOTHING_SAID
    rest = [Draft(key, others, tuple(found)) for key, found in nodes.items()]
    return drafts + sorted(rest, key=lambda draft: _rank(draft) != 0)


def _rank(draft: Draft) -> int | None:
    return prompt_rank(draft.names, draft.class_type)


def _with_markers(drafts: Sequence[Draft]) -> list[Draft]:
    """Marks the prompt and the seeds: the file's word first, then by name. The prompt becomes required."""
    prompt = _prompt(drafts)
    return [_marked(draft, is_prompt=draft is prompt) for draft in drafts]


def _prompt(drafts: Iterable[Draft]) -> Draft | None:
    texts = [draft for draft in drafts if draft.input.kind is InputKind.TEXT and draft.input.offered]
    for draft in texts:
        if draft.config.prompt:
            return draft
    ranked = [
        (rank, draft) for draft in texts if _may_be_prompt(draft) and (rank := _rank(draft)) is not None
    ]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _may_be_prompt(draft: Draft) -> bool:
    return draft.config.prompt is None and not draft.input.choices


def _marked(draft: Draft, *, is_prompt: bool) -> Draft:
    item, config = draft.input, draft.config
    named = names_seed(*draft.names) and not item.choices
    is_seed = item.kind is InputKind.INTEGER and (named if config.seed is None else config.seed)
    required = item.required
    if config.required is None and item.offered:
        required = is_prompt or (required and not is_seed)
    return draft.with_input(replace(item, is_prompt=is_prompt, is_seed=is_seed, required=required))


def _named(drafts: Sequence[Draft]) -> Iterable[Input]:
    """Gives every offered input its option names: acceptable, unique, none of the bot's own.

    The file's names come first: those from ComfyDeploy give way to them.
    """
    taken = set(RESERVED)
    options: dict[str, str] = {}
    for draft in sorted(drafts, key=lambda draft: draft.config.option is None):
        if draft.input.offered:
            options[draft.key] = _option(draft, taken)
            taken.update(replace(draft.input, option=options[draft.key]).option_names)
    return [replace(draft.input, option=options.get(draft.key) or slug(draft.label)) for draft in drafts]


def _option(draft: Draft, taken: set[str]) -> str:
    item = draft.input
    name = draft.config.option or slug(draft.key)
    if name in RESERVED:
        name = f"{name}_input"
    batch = item.kind is InputKind.IMAGES and item.max_count > 1
    if batch and not draft.config.option:
        name = name.removesuffix("s") or name
    room = len(str(item.max_count)) if batch else 0
    # A batch takes none but its numbered names: `image1` and `image` can stand beside each other.
    tried = set() if batch else set(taken)
    while True:
        option = unique(name, tried, room=room)
        if taken.isdisjoint(replace(item, option=option).option_names):
            return option
        tried.add(option)


def _told(drafts: Iterable[Draft]) -> list[str]:
    return [f"input '{draft.key}' {warning}" for draft in drafts for warning in draft.warnings]


def _gpus(
    config: DeploymentConfig, info: DeploymentInfo | None
) -> tuple[tuple[str, ...], str | None, tuple[str, ...]]:
    """What may be chosen, what is sent unasked, warnings.

    A deployment that pins its GPU in ComfyDeploy wins over the call's, so a choice would promise what does
    not happen: none is offered unless the file asks for it.
    """
    pinned = info.gpu if info else None
    gpus, default = config.gpus, config.default_gpu
    if gpus is None:
        gpus = (pinned,) if pinned else GPUS if default in (None, *GPUS) else (*GPUS, str(default))
    elif len(gpus) == 1:
        default = gpus[0]
    if pinned and (default not in (None, pinned) or set(gpus) != {pinned}):
        return gpus, default, (f"ComfyDeploy pins its GPU to {pinned}, whatever is chosen here",)
    return gpus, default, ()
