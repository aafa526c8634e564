"""A run's inputs as people know them: by option name, files apart. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.deployments.model import ATTACHMENTS, Deployment, InputKind
from bot.domain.runs import InputValue, Output


@dataclass(frozen=True, slots=True)
class ShownInputs:
    """`values` in the deployment's order; `files` are the attachments as something that can be fetched."""

    values: tuple[tuple[str, str], ...]
    files: tuple[Output, ...]


def shown_inputs(deployment: Deployment | None, inputs: Mapping[str, InputValue]) -> ShownInputs:
    """What the person gave. Of a deployment that is gone, the plain inputs by their keys."""
    if deployment is None:
        return ShownInputs(tuple((key, _told(value)) for key, value in inputs.items()), ())
    values: list[tuple[str, str]] = []
    files: list[Output] = []
    for item in deployment.offered:
        value = inputs.get(item.key)
        if value is None:
            continue
        if item.kind in ATTACHMENTS:
            urls = value if isinstance(value, list) else [str(value)]
            files += [Output(kind=item.kind, url=url, filename=_filename(url)) for url in urls]
        else:
            names = {choice.value: choice.name for choice in item.choices}
            values.append((item.option, names.get(str(value), _told(value))))
    return ShownInputs(tuple(values), tuple(files))


def text_inputs(deployment: Deployment, inputs: Mapping[str, InputValue]) -> dict[str, str]:
    """Every free text that a person gave, by option name: what word rules look at."""
    return {
        item.option: value
        for item in deployment.offered
        if item.kind is InputKind.TEXT and isinstance(value := inputs.get(item.key), str)
    }


def _told(value: InputValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _filename(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]
