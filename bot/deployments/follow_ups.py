"""Follow-ups: link them to the deployments that they start, find them, and choose what their runs take.

ComfyDeploy's descriptions may change at any time, so a follow-up that doesn't fit them is left out with a
warning, and everything else is offered.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain

from bot.deployments.files import is_kind
from bot.deployments.inputs import AttachedFile, Input, Values
from bot.deployments.model import PICTURES, Deployment, FollowUp, deployment_of
from bot.deployments.schema import DeploymentSettings, FollowUpSettings
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from bot.domain.forms import FORM_LIMIT
from bot.domain.runs import InputValue, Run
from bot.strings import say

# discord.py takes five message commands per scope, and "Use as input" is one of them.
MAX_COMMANDS = 4


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
            target = deployments.get(each.deployment)
            if target is None:
                mistakes = [_no_target(each, configured, deployments)]
            else:
                link = _Link(each, source, target)
                follow_up, mistakes = link.follow_up(), link.mistakes
                found += [] if mistakes else [follow_up]
            start = f"deployment '{source.name}': follow-up '{each.label}' is not offered: "
            warnings += (start + mistake for mistake in mistakes)
        changes = {"follow_ups": tuple(found), "warnings": tuple(warnings)}
        linked[source.name] = source.model_copy(update=changes)
    return linked


def _no_target(
    settings: FollowUpSettings, configured: Sequence[DeploymentSettings], deployments: Iterable[str]
) -> str:
    name, names = settings.deployment, [each.name for each in configured]
    if name in names:
        return f"deployment '{name}' is not offered"
    matches = difflib.get_close_matches(name, names, n=1)
    rest = f"did you mean '{matches[0]}'?" if matches else f"it can be {', '.join(deployments)}"
    return f"there is no deployment '{name}'; {rest}"


@dataclass(frozen=True, slots=True)
class _Link:
    """A follow-up between two deployments, and the mistakes in what its settings mean there."""

    settings: FollowUpSettings
    source: Deployment
    target: Deployment
    mistakes: list[str] = field(default_factory=list)

    def follow_up(self) -> FollowUp:
        """Return the follow-up, which fits if there are no mistakes."""
        settings, target = self.settings, self.target
        takes = {item.kind: item.key for item in self._taking()}
        carried = [item.key for name in settings.carry for item in self._carry(name)]
        values: dict[str, InputValue] = {}
        for name, value in settings.inputs.items():
            values |= self._value(name, value)
        asked: list[Input] = []
        for name in settings.ask:
            named = self._named(name)
            # The option for sizes stands in place of either side.
            shown = (each for each in target.offered for item in named if item in (each, *each.parts))
            asked += [*shown][:1]
        ask = tuple(dict.fromkeys(item.key for item in asked))
        asked += still_required(target, {*takes.values(), *carried, *values, *ask})
        if len(asked) > FORM_LIMIT:
            names = ", ".join(item.key for item in asked)
            self.mistakes.append(
                f"it would have to ask for {len(asked)} inputs and a form takes {FORM_LIMIT}: {names}; "
                "name some in 'carry' or 'inputs'"
            )
        changes = {"target": target.deployment_id, "takes": takes, "inputs": values, "ask": ask}
        return FollowUp.model_construct(**{**dict(settings), **changes})

    def _taking(self) -> Sequence[Input]:
        """Return the inputs that can take the result; one for any file is last."""
        name, target = self.settings.input, self.target.name
        if name is not None:
            items = self._named(name)[:1]
            for item in items:
                if not item.takes_file:
                    about = f"is of kind '{item.kind}', which takes no file"
                    self.mistakes.append(f"input '{name}' of '{target}' {about}")
            return items
        files = [item for item in self.target.offered if item.takes_file]
        if not files:
            self.mistakes.append(f"deployment '{target}' has no input that takes a file")
        same: dict[InputKind, list[str]] = {}
        for item in files:
            same.setdefault(InputKind.IMAGE if item.kind in PICTURES else item.kind, []).append(item.key)
        for kind, keys in same.items():
            if len(keys) > 1:
                told = f"has several inputs of kind {kind}; set 'input' to one of {', '.join(keys)}"
                self.mistakes.append(f"deployment '{target}' {told}")
        return sorted(files, key=lambda item: item.kind is InputKind.FILE)

    def _carry(self, name: str) -> Sequence[Input]:
        there, here = self._named(name), self._named(name, self.source)
        if any(item.takes_file for item in (*there, *here)):
            self.mistakes.append(f"input '{name}' takes a file, which can't be carried over")
        elif there and here and len(there) != len(here):
            pair = f"'{self.source.name}' and '{self.target.name}'"
            self.mistakes.append(f"input '{name}' is a size in only one of {pair}")
        return there

    def _value(self, name: str, value: InputValue) -> Values:
        # An option for sizes takes one of its choices; its two inputs are also named by their keys.
        sizes = [item for item in self.target.offered if item.parts and name.casefold() == item.option]
        for item in (sizes or self._named(name))[:1]:
            if not item.takes_file:
                with suppress(InputError):
                    return item.parse(value)
            self.mistakes.append(f"input '{name}' of '{self.target.name}' doesn't take {value!r}")
        return {}

    def _named(self, name: str, deployment: Deployment | None = None) -> Sequence[Input]:
        deployment = deployment or self.target
        found = named_inputs(deployment, name)
        if not found:
            self.mistakes.append(f"deployment '{deployment.name}' offers no input '{name}'")
        return found


def named_inputs(deployment: Deployment, name: str) -> tuple[Input, ...]:
    """Return the inputs that a key, an option or `prompt` refers to, or an empty tuple.

    An option for sizes refers to its two inputs; each of the two can also be named by its key.
    """
    lowered = name.casefold()
    items = [*deployment.offered, *(part for item in deployment.offered for part in item.parts)]
    candidates = chain(
        (item for item in items if item.key == name),
        (item for item in items if lowered in (item.key.casefold(), *item.option_names, item.option)),
        (item for item in items if lowered == "prompt" and item.is_prompt),
    )
    found = next(candidates, None)
    return () if found is None else found.parts or (found,)


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


def find_follow_up(deployments: Sequence[Deployment], source: Deployment | None, ref: str) -> FollowUp | None:
    """Return the follow-up that `ref` identifies, as it is configured now, or None.

    A follow-up whose label has changed isn't found, because it may do something else now. The follow-ups of
    `source`, the result's deployment, are searched first.
    """
    own = source.follow_ups if source is not None else ()
    others = (each for deployment in deployments for each in deployment.follow_ups)
    return next((each for each in (*own, *others) if each.reference == ref), None)


def carried(
    run: Run, source: Deployment, pairs: Iterable[tuple[str, Sequence[str]]]
) -> dict[str, InputValue]:
    """Return inputs of a run under the keys of another deployment.

    `pairs` are an input's name and its keys there. If the prompt was left out, `run.prompt` is the default of
    `source`, which the result shows.
    """
    values: dict[str, InputValue] = {}
    for name, keys in pairs:
        for item, key in zip(named_inputs(source, name), keys, strict=False):
            value = run.inputs.get(item.key, run.prompt if item.is_prompt else None)
            if value is not None:
                values[key] = value
    return values


def starting_values(follow_up: FollowUp, target: Deployment, source: Deployment, run: Run) -> Values:
    """Return the inputs of a follow-up of a run: those that are carried over, and the fixed ones."""
    names = ((name, [item.key for item in named_inputs(target, name)]) for name in follow_up.carry)
    return {**carried(run, source, names), **follow_up.inputs}


def choose_file(follow_up: FollowUp, files: Iterable[AttachedFile]) -> tuple[str, AttachedFile] | None:
    """Choose the first file that an input takes, and return it with the input's key, or None if none fits."""
    pairs = ((key, file) for file in files for kind, key in follow_up.takes.items() if is_kind(kind, file))
    return next(pairs, None)


def asked_inputs(follow_up: FollowUp, target: Deployment, inputs: Values) -> list[Input]:
    """Return the inputs that a form asks for: those in `ask`, then required ones without a usable value."""
    named = [item for key in follow_up.ask for item in target.offered if item.key == key]
    fitting = (item.key for item in target.offered if item.fits(inputs))
    return [*named, *still_required(target, {*fitting, *follow_up.takes.values(), *follow_up.ask})]


def message_commands(deployments: Sequence[Deployment]) -> tuple[FollowUp, ...]:
    """Return the first MAX_COMMANDS follow-ups that take a picture, in the order of the file.

    A follow-up whose label is the name of another command is left out.
    """
    offered: dict[str, FollowUp | None] = {say("use_menu").casefold(): None}
    for each in (each for deployment in deployments for each in deployment.follow_ups):
        if not PICTURES.isdisjoint(each.takes):
            offered.setdefault(each.label.casefold(), each)
    return tuple(each for each in offered.values() if each is not None)[:MAX_COMMANDS]
