r"""The text option `more`: inputs that have no option of their own.

    more  = [ pair *( "," pair ) [ "," ] ]
    pair  = key "=" value                       spaces around each are dropped
    key   = 1*( any character but "=" and "," )   an option's name or an input's key, in any case
    value = quoted / bare
    quoted = DQUOTE *( "\" any / any but DQUOTE ) DQUOTE    \\ and \" stand for \ and "
    bare  = *( any character but "," )            not beginning with a quote

A bare value may hold `=`, and quotes inside; one with a comma needs quotes. The curly quotes that phones
put in are as good as straight ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.deployments.command_plan import CommandPlan
from bot.deployments.model import ATTACHMENTS, Deployment, Input, InputKind
from bot.deployments.options import GPU, MORE
from bot.domain.errors import InputError
from bot.domain.runs import InputValue, Output

# Possessive quantifiers keep it linear: 6,000 characters of a stranger's text run through it.
_PAIR = re.compile(r'([^=,]*+)=\s*+(?:"((?:[^"\\]|\\.)*+)"\s*+|((?!")[^,]*+))(?:,|\Z)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"'})
_NEEDS_QUOTES = re.compile(r'[,"“”„\\]|^\s|\s$')


def parse_more(text: str) -> list[tuple[str, str]]:
    """The pairs in order. InputError `input_more_syntax`, whose `text` is where it stops making sense."""
    text = text.translate(_CURLY)
    pairs: list[tuple[str, str]] = []
    position = 0
    while text[position:].strip():
        match = _PAIR.match(text, position)
        if match is None or not match[1].strip():
            raise InputError("input_more_syntax", option="more", text=text[position : position + 40].strip())
        key, quoted, bare = match.groups()
        pairs.append((key.strip(), bare.strip() if quoted is None else _ESCAPED.sub(r"\1", quoted)))
        position = match.end()
    return pairs


def write_more(pairs: list[tuple[str, str]]) -> str:
    """The text that `parse_more` reads as `pairs`, but for curly quotes, which become straight."""
    return ", ".join(f"{key}={_quoted(value)}" for key, value in pairs)


def _quoted(value: str) -> str:
    if not _NEEDS_QUOTES.search(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


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


@dataclass(frozen=True, slots=True)
class ShownInputs:
    """`values` in the deployment's order; `files` are the attachments as something that can be fetched."""

    values: tuple[tuple[str, str], ...]
    files: tuple[Output, ...]


def displayed_inputs(deployment: Deployment | None, inputs: Mapping[str, InputValue]) -> ShownInputs:
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


def free_texts(deployment: Deployment, inputs: Mapping[str, InputValue]) -> dict[str, str]:
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
