r"""Read the option `more`, and show inputs as text.

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

from bot.deployments.files import linked_file, links_of
from bot.deployments.inputs import Values, shown_value
from bot.deployments.model import Deployment
from bot.domain.errors import InputError
from bot.domain.runs import Output
from bot.domain.text import escape_line

# Possessive quantifiers keep matching linear: users may enter 6,000 characters.
_PAIR = re.compile(r'([^=,]*+)=\s*+(?:"((?:[^"\\]|\\.)*+)"\s*+|((?!")[^,]*+))(?:,|\Z)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CURLY = str.maketrans({"“": '"', "”": '"', "„": '"'})


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
