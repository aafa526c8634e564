"""Follow-ups: link them to the deployments that they start, find them, and choose their values.

ComfyDeploy's descriptions may change at any time, so a follow-up that doesn't fit them is left out with a
warning, and everything else is offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain

from bot.deployments.inputs import Input, Values
from bot.deployments.model import PICTURES, Deployment, FollowUp
from bot.deployments.schema import DeploymentSettings, FollowUpSettings
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from bot.domain.forms import FORM_LIMIT
from bot.domain.runs import InputValue, Run
from bot.sentences import say

# discord.py takes five message commands per scope, and "Use as input" is one of them.
MAX_COMMANDS = 4


class _Unfit(Exception):
    """A follow-up means nothing to one of its deployments."""


def link_follow_ups(
    configured: Sequence[DeploymentSettings], deployments: Mapping[str, Deployment]
) -> dict[str, Deployment]:
    """Return the deployments with their follow-ups that fit, and with warnings about those that don't."""
    linked = dict(deployments)
    for settings in configured:
        source = deployments.get(settings.name)
        if source is None:
            continue
        found: list[FollowUp] = []
        warnings = [*source.warnings]
        for each in settings.follow_ups:
            try:
                found.append(_linked(each, source, deployments))
            except _Unfit as error:
                warnings.append(
                    f"deployment '{source.name}': follow-up '{each.label}' is not offered: {error}"
                )
        changes = {"follow_ups": tuple(found), "warnings": tuple(warnings)}
        linked[source.name] = source.model_copy(update=changes)
    return linked


def _linked(
    settings: FollowUpSettings, source: Deployment, deployments: Mapping[str, Deployment]
) -> FollowUp:
    if (target := deployments.get(settings.deployment)) is None:
        offered = ", ".join(deployments)
        raise _Unfit(f"there is no deployment '{settings.deployment}'; it can be {offered}")
    takes: dict[InputKind, str] = {}
    for item in _taking(settings.input, target):
        takes.setdefault(item.kind, item.key)
    carried = [key for name in settings.carry for key in _carry(name, source, target).backend_keys]
    values: dict[str, InputValue] = {}
    for name, value in settings.inputs.items():
        values |= _value(name, value, target)
    asked: list[Input] = []
    for name in settings.ask:
        named = _named(name, target)
        # The option for sizes stands in place of either side.
        asked += (each for each in target.offered if named in (each, *each.parts))
    ask = tuple(dict.fromkeys(item.key for item in asked))
    asked += still_required(target, {*takes.values(), *carried, *values, *ask})
    if len(asked) > FORM_LIMIT:
        listed = ", ".join(item.key for item in asked)
        raise _Unfit(
            f"it would have to ask for {len(asked)} inputs and a form takes {FORM_LIMIT}: {listed}; "
            "name some in 'carry' or 'inputs'"
        )
    changes = {"target": target.deployment_id, "takes": takes, "inputs": values, "ask": ask}
    return FollowUp.model_construct(**{**dict(settings), **changes})


def _taking(name: str | None, target: Deployment) -> Sequence[Input]:
    """Return the inputs that can take the result; one for any file is last."""
    if name is not None:
        item = _named(name, target)
        if not item.takes_file:
            raise _Unfit(f"input '{name}' of '{target.name}' is of kind '{item.kind}', which takes no file")
        return [item]
    files = [item for item in target.offered if item.takes_file]
    if not files:
        raise _Unfit(f"deployment '{target.name}' has no input that takes a file")
    return sorted(files, key=lambda item: item.kind is InputKind.FILE)


def _carry(name: str, source: Deployment, target: Deployment) -> Input:
    there, here = _named(name, target), _named(name, source)
    if there.takes_file or here.takes_file:
        raise _Unfit(f"input '{name}' takes a file, which can't be carried over")
    if len(there.parts) != len(here.parts):
        raise _Unfit(f"input '{name}' is a size in only one of '{source.name}' and '{target.name}'")
    return there


def _value(name: str, value: InputValue, target: Deployment) -> Values:
    item = _named(name, target)
    if not item.takes_file:
        with suppress(InputError):
            return item.parse(value)
    raise _Unfit(f"input '{name}' of '{target.name}' doesn't take {value!r}")


def _named(name: str, deployment: Deployment) -> Input:
    if found := named_input(deployment, name):
        return found
    raise _Unfit(f"deployment '{deployment.name}' offers no input '{name}'")


def named_input(deployment: Deployment, name: str) -> Input | None:
    """Return the input that a key, an option or `prompt` names, or one of the two of an option for sizes."""
    lowered = name.casefold()
    items = [*deployment.offered, *(part for item in deployment.offered for part in item.parts)]
    candidates = chain(
        (item for item in items if item.key == name),
        (item for item in items if lowered in (item.key.casefold(), *item.option_names, item.option)),
        (item for item in items if lowered == "prompt" and item.is_prompt),
    )
    return next(candidates, None)


def still_required(target: Deployment, given: Iterable[str]) -> list[Input]:
    """Return the required inputs that still need a value; `given` holds the keys of inputs that have one."""
    known = set(given)
    return [
        item
        for item in target.offered
        if item.required
        and not item.send_default
        and not item.is_seed
        and known.isdisjoint((item.key, *item.backend_keys))
    ]


def find_follow_up(deployments: Sequence[Deployment], source: Deployment | None, ref: str) -> FollowUp | None:
    """Return the follow-up that `ref` identifies, as it is configured now, or None.

    A follow-up whose label has changed isn't found, because it may do something else now. The follow-ups of
    `source`, the result's deployment, are searched first.
    """
    own = source.follow_ups if source is not None else ()
    others = (each for deployment in deployments for each in deployment.follow_ups)
    return next((each for each in (*own, *others) if each.reference == ref), None)


def carried(run: Run, source: Deployment, named: Iterable[tuple[str, Input]]) -> dict[str, InputValue]:
    """Return inputs of a run under the keys of another deployment.

    `named` are an input's name and that input there. If the prompt was left out, `run.prompt` is the default
    of `source`, which the result shows.
    """
    values: dict[str, InputValue] = {}
    for name, target in named:
        if (item := named_input(source, name)) is None:
            continue
        for own, key in zip(item.backend_keys, target.backend_keys, strict=False):
            value = run.inputs.get(own, run.prompt if item.is_prompt else None)
            if value is not None:
                values[key] = value
    return values


def starting_values(follow_up: FollowUp, target: Deployment, source: Deployment, run: Run) -> Values:
    named = [(name, item) for name in follow_up.carry if (item := named_input(target, name))]
    return {**carried(run, source, named), **follow_up.inputs}


def asked_inputs(follow_up: FollowUp, target: Deployment, inputs: Values) -> list[Input]:
    """Return the inputs that a form asks for: those in `ask`, then required ones without a usable value."""
    named = [item for key in follow_up.ask for item in target.offered if item.key == key]
    fitting = (item.key for item in target.offered if item.fits(inputs))
    return [*named, *still_required(target, {*fitting, *follow_up.takes.values(), *follow_up.ask})]


def message_commands(deployments: Sequence[Deployment]) -> tuple[FollowUp, ...]:
    """Return the first MAX_COMMANDS follow-ups that take a picture and whose label is no other command."""
    offered: dict[str, FollowUp | None] = {say("use_menu").casefold(): None}
    for each in (each for deployment in deployments for each in deployment.follow_ups):
        if not PICTURES.isdisjoint(each.takes):
            offered.setdefault(each.label.casefold(), each)
    return tuple(each for each in offered.values() if each is not None)[:MAX_COMMANDS]
