r"""Convert inputs to text and back: the option `more`, the command line to copy, and displayed values.

Grammar of `more`, which holds the inputs without an option of their own:

    more  = [ pair *( "," pair ) [ "," ] ]
    pair  = key "=" value                       spaces around both are ignored
    key   = 1*( any character but "=" and "," )   option name or input key, any case
    value = quoted / bare
    quoted = DQUOTE *( "\" any / any but DQUOTE ) DQUOTE    \\ and \" are escapes
    bare  = *( any character but "," )            doesn't start with a quote

A bare value may contain `=` and inner quotes. A value with a comma needs quotes. The curly quotes that phones
insert count as straight ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.deployments.command_plan import CommandPlan
from bot.deployments.model import ATTACHMENTS, Deployment, Input, OfferedValue, Size
from bot.deployments.options import COUNT, GPU, MORE, PRESET_OPTION, PRIVATE
from bot.deployments.size_conversion import as_offered
from bot.domain.backend import InputKind
from bot.domain.errors import InputError
from bot.domain.runs import InputValue, Output
from bot.domain.text import escape_line

# Possessive quantifiers keep matching linear: users may enter 6,000 characters.
_PAIR = re.compile(r'([^=,]*+)=\s*+(?:"((?:[^"\\]|\\.)*+)"\s*+|((?!")[^,]*+))(?:,|\Z)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"'})
_NEEDS_QUOTES = re.compile(r'[,"“”„\\]|^\s|\s$')


def parse_more(text: str) -> list[tuple[str, str]]:
    """Return the pairs of keys and values in order.

    Raises InputError `input_more_syntax` with the `text` that can't be parsed.
    """
    text = text.translate(_CURLY)
    pairs: list[tuple[str, str]] = []
    position = 0
    while text[position:].strip():
        match = _PAIR.match(text, position)
        if match is None or not match[1].strip():
            rest = escape_line(text[position : position + 40], 40)
            raise InputError("input_more_syntax", option="more", text=rest)
        key, quoted, bare = match.groups()
        pairs.append((key.strip(), bare.strip() if quoted is None else _ESCAPED.sub(r"\1", quoted)))
        position = match.end()
    return pairs


def write_more(pairs: list[tuple[str, str]]) -> str:
    """Return text that `parse_more` reads back as `pairs`, except that curly quotes become straight."""
    return ", ".join(f"{key}={_quoted(value)}" for key, value in pairs)


def _quoted(value: str) -> str:
    if not _NEEDS_QUOTES.search(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands to copy for a run: one for the run alone and, if it belongs to a batch, one for the batch.

    `default` is the name of the channel's default preset if it would change the pasted commands, or None.
    `new_seeds` says that the batch's command draws new seeds.
    """

    run: str
    batch: str | None = None
    default: str | None = None
    new_seeds: bool = False

    @property
    def text(self) -> str:
        return "\n\n".join(filter(None, [self.run, self.batch]))


def command_line(
    plan: CommandPlan,
    deployment: Deployment,
    inputs: Mapping[str, InputValue],
    gpu: str | None,
    *,
    count: int = 1,
    private: bool = False,
    preset: str | None = None,
) -> str:
    """Return the command to paste for a run with these inputs: options in the plan's order, then `more`.

    Attachments can't be pasted, and sizes that are no longer offered can't be typed. Their options are left
    empty for the user to fill in. Fixed and hidden inputs are left out, since users can't set them.
    """
    spec = plan.command(deployment.name)
    if spec is None:
        return f"/{plan.name}"
    offered = as_offered(deployment, inputs)
    values = {item.key: (item, offered[item.key]) for item in deployment.offered if item.key in offered}
    option_keys = {option.key for option in spec.options if option.key is not None}
    parts = [plan.path(spec)]
    of_bot = {GPU: gpu, COUNT: count if count > 1 else None, PRIVATE: private or None}
    of_bot[PRESET_OPTION.name] = preset
    for option in spec.options:
        if option.key is None and of_bot.get(option.name) is not None:
            parts.append(f"{option.name}:{of_bot[option.name]}")
        elif option.key in values:
            parts += _option_parts(*values[option.key], option.name)
    overflow = [
        (item.option, _as_typed(item, value))
        for key, (item, value) in values.items()
        if key not in option_keys and _can_be_typed(item, value)
    ]
    if overflow:
        parts.append(f"{MORE}:{write_more(overflow)}")
    return " ".join(parts)


def _can_be_typed(item: Input, value: OfferedValue) -> bool:
    return not isinstance(value, Size) or value in item.sizes


def _option_parts(item: Input, value: OfferedValue, name: str) -> Iterator[str]:
    if item.kind not in ATTACHMENTS:
        yield f"{name}:{_as_typed(item, value) if _can_be_typed(item, value) else ''}"
        return
    count = len(value) if isinstance(value, list) else 1
    if item.option_names.index(name) < count:
        yield f"{name}:"


def _as_typed(item: Input, value: OfferedValue) -> str:
    """Return a value as a user types it: a choice by its name, booleans as Discord writes them."""
    if isinstance(value, bool):
        return "True" if value else "False"
    names = {choice.value: choice.name for choice in item.choices}
    text = str(value)
    return names.get(text, text)


@dataclass(frozen=True, slots=True)
class ShownInputs:
    """Inputs for display: `values` as pairs of name and text, and `files` as outputs that can be fetched.

    Both are in the deployment's order. `file_options` are the options that took the files.
    """

    values: tuple[tuple[str, str], ...]
    files: tuple[Output, ...]
    file_options: tuple[str, ...] = ()


def displayed_inputs(deployment: Deployment | None, inputs: Mapping[str, InputValue]) -> ShownInputs:
    """Return the inputs that the deployment offers. If `deployment` is None, return all of them by key."""
    if deployment is None:
        return ShownInputs(tuple((key, _as_text(value)) for key, value in inputs.items()), ())
    offered = as_offered(deployment, inputs)
    values: list[tuple[str, str]] = []
    files: list[Output] = []
    options: list[str] = []
    for item in deployment.offered:
        value = offered.get(item.key)
        if value is None:
            continue
        if item.kind in ATTACHMENTS:
            urls = value if isinstance(value, list) else [str(value)]
            files += [Output(kind=item.kind, url=url, filename=_filename(url)) for url in urls]
            # An earlier run may have taken more files than the deployment takes today.
            options += [*item.option_names, *[item.option] * len(urls)][: len(urls)]
        else:
            names = {choice.value: choice.name for choice in item.choices}
            values.append((item.option, names.get(str(value), _as_text(value))))
    return ShownInputs(tuple(values), tuple(files), tuple(options))


def free_texts(deployment: Deployment, inputs: Mapping[str, InputValue]) -> dict[str, str]:
    """Return the free texts among the inputs of a request or preset, by option name, for the word filter."""
    return {
        item.option: value
        for item in deployment.offered
        if item.kind is InputKind.TEXT and isinstance(value := inputs.get(item.key), str)
    }


def _as_text(value: OfferedValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _filename(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]
