"""Link the follow-ups in `deployments.toml` to the deployments that they start.

ComfyDeploy's descriptions may change at any time, so a follow-up that doesn't fit them is left out with a
warning, and everything else is offered.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from bot.deployments.forms import MAX_FIELDS
from bot.deployments.kinds import kind_of
from bot.deployments.model import ATTACHMENTS, Deployment, FollowUp, Input
from bot.deployments.schema import DeploymentConfig, FollowUpConfig
from bot.domain.backend import InputKind
from bot.domain.runs import InputValue

# The kinds of files, each with the kinds of inputs that take it.
_FAMILIES: Mapping[str, tuple[InputKind, ...]] = {
    "a picture": (InputKind.IMAGE, InputKind.IMAGES),
    "a video": (InputKind.VIDEO,),
    "audio": (InputKind.AUDIO,),
    "any file": (InputKind.FILE,),
}


def link_follow_ups(
    configs: Sequence[DeploymentConfig], deployments: Mapping[str, Deployment]
) -> dict[str, Deployment]:
    """Return the deployments with their follow-ups that fit, and with warnings about those that don't."""
    linked = dict(deployments)
    names = [config.name for config in configs]
    for config in configs:
        deployment = deployments.get(config.name)
        if deployment is None:
            continue
        found: list[FollowUp] = []
        warnings: list[str] = []
        for each in config.then:
            mistakes = [*_target_mistakes(each, names, deployments)]
            target = deployments.get(each.deployment)
            if target is not None:
                mistakes = [*_mistakes(each, deployment, target)]
            if target is None or mistakes:
                warnings += (f"follow-up '{each.label}' is not offered: {mistake}" for mistake in mistakes)
            else:
                found.append(_linked(each, target))
        told = tuple(f"deployment '{config.name}': {text}" for text in warnings)
        linked[config.name] = replace(
            deployment, follow_ups=tuple(found), warnings=(*deployment.warnings, *told)
        )
    return linked


def named_inputs(deployment: Deployment, name: str) -> tuple[Input, ...]:
    """Return the inputs that a name refers to, or an empty tuple.

    The name can be an input's key or option, or `prompt`. An option for sizes refers to its two inputs; each
    of the two can also be named by its key.
    """
    lowered = name.casefold()
    items = [*deployment.offered, *(part for item in deployment.offered for part in item.parts)]
    tests = (
        lambda item: item.key == name,
        lambda item: lowered in (item.key.casefold(), *item.option_names, item.option),
        lambda item: lowered == "prompt" and item.is_prompt,
    )
    found = next((item for test in tests for item in items if test(item)), None)
    if found is None:
        return ()
    return found.parts or (found,)


def _target_mistakes(
    config: FollowUpConfig, names: Sequence[str], deployments: Mapping[str, Deployment]
) -> Iterator[str]:
    name = config.deployment
    if name in names:
        yield f"deployment '{name}' is not offered"
    elif matches := difflib.get_close_matches(name, names, n=1):
        yield f"there is no deployment '{name}'; did you mean '{matches[0]}'?"
    else:
        yield f"there is no deployment '{name}'; it can be {', '.join(deployments)}"


def _mistakes(config: FollowUpConfig, source: Deployment, target: Deployment) -> Iterator[str]:
    yield from _input_mistakes(config, target)
    for name in config.carry:
        yield from _carry_mistakes(name, source, target)
    for name, value in config.inputs.items():
        yield from _value_mistakes(name, value, target)
    for name in config.ask:
        if _field(target, name) is None:
            yield _unknown(name, target)
    if len(asked := _asked(config, target)) > MAX_FIELDS:
        yield (
            f"it would have to ask for {len(asked)} inputs and a form takes {MAX_FIELDS}: "
            f"{', '.join(item.key for item in asked)}; name some in 'carry' or 'inputs'"
        )


def _input_mistakes(config: FollowUpConfig, target: Deployment) -> Iterator[str]:
    files = [item for item in target.offered if item.kind in ATTACHMENTS]
    if config.input is not None:
        items = named_inputs(target, config.input)
        if not items:
            yield _unknown(config.input, target)
        elif items[0].kind not in ATTACHMENTS:
            kind = items[0].kind
            yield f"input '{config.input}' of '{target.name}' is of kind '{kind}', which takes no file"
        return
    if not files:
        yield f"deployment '{target.name}' has no input that takes a file"
    for what, kinds in _FAMILIES.items():
        same = [item.key for item in files if item.kind in kinds]
        if len(same) > 1:
            named = ", ".join(same)
            yield f"deployment '{target.name}' has several inputs for {what}; set 'input' to one of {named}"


def _carry_mistakes(name: str, source: Deployment, target: Deployment) -> Iterator[str]:
    there, here = named_inputs(target, name), named_inputs(source, name)
    if not there:
        yield _unknown(name, target)
    if not here:
        yield _unknown(name, source)
    if any(item.kind in ATTACHMENTS for item in (*there, *here)):
        yield f"input '{name}' takes a file, which can't be carried over"
    elif there and here and len(there) != len(here):
        yield f"input '{name}' is a size in only one of '{source.name}' and '{target.name}'"


def _value_mistakes(name: str, value: InputValue, target: Deployment) -> Iterator[str]:
    item = _offered(target, name)
    if item is None:
        yield _unknown(name, target)
    elif isinstance(value, list) or item.kind in ATTACHMENTS or not kind_of(item).takes(value):
        yield f"input '{name}' of '{target.name}' doesn't take {value!r}"


def _unknown(name: str, deployment: Deployment) -> str:
    return f"deployment '{deployment.name}' offers no input '{name}'"


def _offered(deployment: Deployment, name: str) -> Input | None:
    """Return the offered input that a name refers to, or None. An option for sizes counts as one input."""
    items = [item for item in deployment.offered if item.parts and name.casefold() == item.option]
    return next(iter((*items, *named_inputs(deployment, name))), None)


def _field(deployment: Deployment, name: str) -> Input | None:
    """Return the input that a form shows for a name, or None.

    If sizes replace width and height, a form shows the input for sizes in place of either.
    """
    found = named_inputs(deployment, name)
    fields = (item for item in deployment.offered if any(each in (item, *item.parts) for each in found))
    return next(fields, None)


def _asked(config: FollowUpConfig, target: Deployment) -> Sequence[Input]:
    """Return the inputs that a form has to ask for: those in `ask`, and required ones without a value."""
    named = [item for name in config.ask if (item := _field(target, name)) is not None]
    given = {item.key for name in (*config.carry, *config.inputs) for item in named_inputs(target, name)}
    taking = set(_takes_by_kind(config, target).values())
    return [*named, *still_required(target, {*given, *taking, *(item.key for item in named)})]


def still_required(target: Deployment, given: Iterable[str]) -> list[Input]:
    """Return the required inputs that still need a value; `given` holds the keys of inputs that have one."""
    known = set(given)
    return [
        item
        for item in target.offered
        if item.required
        and not item.send_default
        and not item.is_seed
        and known.isdisjoint((item.key, *(part.key for part in item.parts)))
    ]


def _takes_by_kind(config: FollowUpConfig, target: Deployment) -> dict[InputKind, str]:
    """Return the keys of the inputs that can take the result, by kind; an input for any file is last."""
    if config.input is not None:
        items: Sequence[Input] = named_inputs(target, config.input)[:1]
    else:
        items = [item for item in target.offered if item.kind in ATTACHMENTS]
    ordered = sorted(items, key=lambda item: item.kind is InputKind.FILE)
    return {item.kind: item.key for item in ordered}


def _linked(config: FollowUpConfig, target: Deployment) -> FollowUp:
    asked = (_field(target, name) for name in config.ask)
    fixed: dict[str, InputValue] = {}
    for name, value in config.inputs.items():
        item = _offered(target, name)
        if item is not None:
            fixed |= kind_of(item).parse(value)
    return FollowUp(
        label=config.label,
        emoji=config.emoji,
        target=target.deployment_id,
        takes=_takes_by_kind(config, target),
        carry={name: tuple(item.key for item in named_inputs(target, name)) for name in config.carry},
        inputs=fixed,
        ask=tuple(dict.fromkeys(item.key for item in asked if item is not None)),
    )
