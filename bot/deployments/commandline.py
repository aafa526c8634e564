"""The `/generate …` line that gives the same run again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.deployments.model import ATTACHMENTS, Deployment, Input
from bot.deployments.more import write_more
from bot.deployments.plan import GPU, MORE, CommandPlan
from bot.domain.runs import InputValue


def command_line(
    plan: CommandPlan, deployment: Deployment, inputs: Mapping[str, InputValue], gpu: str | None
) -> str:
    """What to paste for a run with these inputs (by real key): options in the plan's order, then `more`.

    An attachment can't be pasted: its option stands there empty, for the person to fill. Fixed and hidden
    inputs are not named, since they can't be given.
    """
    spec = plan.command(deployment.name)
    if spec is None:
        return f"/{plan.name}"
    given = {item.key: (item, inputs[item.key]) for item in deployment.offered if item.key in inputs}
    shown = {option.key for option in spec.options if option.key is not None}
    words = [plan.path(spec)]
    for option in spec.options:
        if option.name == GPU and gpu is not None and option.key is None:
            words.append(f"{GPU}:{gpu}")
        elif option.key in given:
            words += _words(*given[option.key], option.name)
    rest = [(item.option, _typed(item, value)) for key, (item, value) in given.items() if key not in shown]
    if rest:
        words.append(f"{MORE}:{write_more(rest)}")
    return " ".join(words)


def _words(item: Input, value: InputValue, name: str) -> Iterator[str]:
    if item.kind not in ATTACHMENTS:
        yield f"{name}:{_typed(item, value)}"
        return
    count = len(value) if isinstance(value, list) else 1
    if item.option_names.index(name) < count:
        yield f"{name}:"


def _typed(item: Input, value: InputValue) -> str:
    """The value as a person types it: a choice by its name, yes and no as Discord writes them."""
    if isinstance(value, bool):
        return "True" if value else "False"
    names = {choice.value: choice.name for choice in item.choices}
    text = str(value)
    return names.get(text, text)
