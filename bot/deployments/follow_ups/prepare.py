"""Find a follow-up, and choose the file and the inputs that its run takes from a result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.deployments.files import AttachedFile, is_kind
from bot.deployments.follow_ups.link import named_inputs, still_required
from bot.deployments.kinds import kind_of
from bot.deployments.model import Deployment, FollowUp, FollowUpRef, Input
from bot.deployments.plain_kinds import Values
from bot.domain.runs import InputValue, Run


def find_follow_up(
    deployments: Sequence[Deployment], source: Deployment | None, ref: FollowUpRef
) -> FollowUp | None:
    """Return the follow-up that `ref` identifies, as it is configured now, or None.

    A follow-up whose label has changed isn't found, because it may do something else now. The follow-ups of
    `source`, the result's deployment, are searched first.
    """
    own = source.follow_ups if source is not None else ()
    others = (each for deployment in deployments for each in deployment.follow_ups)
    return next((each for each in (*own, *others) if each.reference == ref), None)


def carried(run: Run, source: Deployment, keys: Iterable[tuple[str, Sequence[str]]]) -> dict[str, InputValue]:
    """Return inputs of a run under the keys of another deployment.

    `keys` are pairs of an input's name and its keys there. If the prompt was left out, `run.prompt` is the
    default of `source`, which the result shows.
    """
    values: dict[str, InputValue] = {}
    for name, targets in keys:
        for item, key in zip(named_inputs(source, name), targets, strict=False):
            value = run.inputs.get(item.key, run.prompt if item.is_prompt else None)
            if value is not None:
                values[key] = value
    return values


def choose_file(follow_up: FollowUp, files: Iterable[AttachedFile]) -> tuple[str, AttachedFile] | None:
    """Choose the first file that an input takes, and return it with the input's key, or None if none fits."""
    pairs = ((key, file) for file in files for kind, key in follow_up.takes.items() if is_kind(kind, file))
    return next(pairs, None)


def asked_inputs(follow_up: FollowUp, target: Deployment, inputs: Values) -> list[Input]:
    """Return the inputs that a form asks for: those in `ask`, then required ones without a usable value."""
    named = [item for key in follow_up.ask for item in target.offered if item.key == key]
    fitting = (item.key for item in target.offered if kind_of(item).fits(inputs))
    return [*named, *still_required(target, {*fitting, *follow_up.takes.values(), *follow_up.ask})]
