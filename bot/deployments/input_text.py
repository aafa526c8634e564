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
from dataclasses import dataclass

from bot.deployments.command_plan import CommandPlan
from bot.deployments.files import linked_file, links_of
from bot.deployments.inputs import Input, Values, shown_value
from bot.deployments.model import Deployment
from bot.deployments.schema.field_types import GPU, MORE, PRIVATE
from bot.domain.errors import InputError
from bot.domain.runs import Output
from bot.domain.text import escape_line

# Possessive quantifiers keep matching linear: users may enter 6,000 characters.
_PAIR = re.compile(r'([^=,]*+)=\s*+(?:"((?:[^"\\]|\\.)*+)"\s*+|((?!")[^,]*+))(?:,|\Z)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"'})
_NEEDS_QUOTES = re.compile(r'[,"“”„\\]|^\s|\s$')


def parse_more(text: str) -> list[tuple[str, str]]:
    """Return the pairs of keys and values in order. Raises InputError."""
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
    escaped = ((key, value, value.replace("\\", "\\\\").replace('"', '\\"')) for key, value in pairs)
    return ", ".join(
        f'{key}="{quoted}"' if _NEEDS_QUOTES.search(value) else f"{key}={value}"
        for key, value, quoted in escaped
    )


def command_line(
    plan: CommandPlan, deployment: Deployment, inputs: Values, gpu: str | None, *, private: bool = False
) -> str:
    """Return the command to paste for a run with these inputs: options in the plan's order, then `more`.

    Attachments can't be pasted, and sizes that are no longer offered can't be typed. Their options are left
    empty for the user to fill in. Fixed and hidden inputs are left out, since users can't set them.
    """
    spec = plan.command(deployment.name)
    if spec is None:
        return f"/{plan.name}"
    typed = {item.option: _typed(item, inputs) for item in deployment.offered if item.show(inputs)}
    parts, of_bot = [plan.path(deployment.name)], {GPU: gpu, PRIVATE: private or None}
    for option in spec.options:
        item = option.item
        if option.key is None:
            value = of_bot.get(option.name)
            parts += [] if value is None else [f"{option.name}:{value}"]
        elif item.show(inputs):
            text = typed.pop(item.option, "")
            if not item.takes_file or option.name in item.option_names[: len(links_of(inputs[item.key]))]:
                # A pasted text chooses what the client shows.
                labels = (choice.name for choice in option.choices if choice.value == text)
                parts.append(f"{option.name}:{next(labels, text)}")
    overflow = [(name, text) for name, text in typed.items() if text]
    if overflow:
        parts.append(f"{MORE}:{write_more(overflow)}")
    return " ".join(parts)


def _typed(item: Input, inputs: Values) -> str:
    """Return a value as a client sends it, or an empty text if it can't be typed."""
    value, text = inputs.get(item.key), item.show(inputs)
    if isinstance(value, bool):
        return str(value)
    is_other_size = item.parts and text not in (choice.name for choice in item.choices)
    return "" if item.takes_file or is_other_size else text


@dataclass(frozen=True, slots=True)
class ShownInputs:
    """Inputs for display: `values` as pairs of name and text, and `files` as outputs that can be fetched.

    Both are in the deployment's order. `file_options` are the options that took the files.
    """

    values: tuple[tuple[str, str], ...]
    files: tuple[Output, ...]
    file_options: tuple[str, ...] = ()


def displayed_inputs(deployment: Deployment | None, inputs: Values) -> ShownInputs:
    """Return the inputs that the deployment offers. If `deployment` is None, return all of them by key."""
    if deployment is None:
        lists = {key: value if isinstance(value, list) else [value] for key, value in inputs.items()}
        texts = {key: ", ".join(map(shown_value, each)) for key, each in lists.items()}
        return ShownInputs(tuple(texts.items()), ())
    values: list[tuple[str, str]] = []
    files: list[Output] = []
    options: list[str] = []
    for item in deployment.offered:
        if item.takes_file:
            urls = links_of(inputs.get(item.key))
            files += [Output(kind=item.kind, url=url, filename=linked_file(url).filename) for url in urls]
            # An earlier run may have taken more files than the deployment takes today.
            options += [*item.option_names, *[item.option] * len(urls)][: len(urls)]
        elif item.own(inputs):
            values.append((item.option, item.show(inputs)))
    return ShownInputs(tuple(values), tuple(files), tuple(options))
