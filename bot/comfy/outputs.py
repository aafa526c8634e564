"""A report's `outputs`, flattened in the order given. Liberal: what can't be read is left out.

Everything is bounded, because the body may come from anyone who knows the webhook's address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from bot.domain.runs import Output
from bot.domain.text import clean_text

MAX_OUTPUTS = 200
MAX_TEXT = 100_000
MAX_URL = 8192
MAX_FILENAME = 150
MAX_WORD = 200
_NOT_IN_URL = re.compile(r"[\s\x00-\x20\x7f-\x9f]")


def clean_filename(name: object) -> str | None:
    """Only the last part of a path, printable characters only (no right-to-left tricks), extension kept."""
    if not isinstance(name, str):
        return None
    base = re.split(r"[/\\]", name[-4096:])[-1]
    base = "".join(char for char in base if char.isprintable()).strip(" .") if base.strip(".") else ""
    if len(base) > MAX_FILENAME:
        stem, dot, extension = base.rpartition(".")
        keep = dot + extension if stem and len(extension) <= 10 else ""
        base = base[: MAX_FILENAME - len(keep)] + keep
    return base or None


def parse_outputs(entries: object) -> tuple[Output, ...]:
    """At most MAX_OUTPUTS outputs, each URL and each text once. Previews (`temp`, no URL) are not outputs."""
    if not isinstance(entries, list):
        return ()
    unique: dict[tuple[str | None, str | None], Output] = {}
    for output in islice(_flatten(entries), MAX_OUTPUTS * 2):
        unique.setdefault((output.url, output.text), output)
    return tuple(islice(unique.values(), MAX_OUTPUTS))


def _flatten(entries: list[object]) -> Iterator[Output]:
    for entry in entries:
        data = entry.get("data") if isinstance(entry, dict) else None
        for kind, items in data.items() if isinstance(data, dict) else ():
            for item in items if isinstance(items, list) else [items]:
                if (output := _output(clean_text(kind, MAX_WORD), item)) is not None:
                    yield output


def _output(kind: str, item: object) -> Output | None:
    """One item: a file with a URL, or a plain string. Flags such as `animated: [true]` are neither."""
    if isinstance(item, str):
        text = clean_text(item, MAX_TEXT)
        return Output(kind, text=text) if text.strip() else None
    if not isinstance(item, dict) or item.get("type") == "temp":
        return None
    url = item.get("url")
    if not isinstance(url, str) or not 0 < len(url) <= MAX_URL or _NOT_IN_URL.search(url):
        return None
    return Output(kind, url=url, filename=clean_filename(item.get("filename")))
