"""Name the files of results, and find the run in a file's name.

A file is named after its deployment, its run's key and its number, as in `flux-k3v9x2m7q4t8w1zb-2.png`. A
prefix such as `SPOILER_` may come first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# The end of a name, or of a link to the file.
_KEY = re.compile(r"-([a-z0-9]{1,20})-(\d{1,4})\.[^-/?]*(?:\?|\Z)")

_AT_DISCORD = re.compile(r"https://(?:cdn|media)\.discordapp\.(?:com|net)(/[^?#]*)")


def file_stem(deployment: str, key: str, number: int | None = None) -> str:
    """Return the name of a run's file without its suffix. The file of the run's texts has no number."""
    return f"{deployment}-{key}" if number is None else f"{deployment}-{key}-{number}"


def belongs_to(name: str, key: str) -> bool:
    """Return whether a file is one of the run `key`, by its name or a link to it."""
    return f"-{key}-" in name or f"-{key}." in name


def key_in(name: str) -> str:
    """Return the run key in a file's name or a link to it, or an empty string if the bot didn't name it."""
    found = _KEY.search(name)
    return found[1] if found is not None else ""


def is_file(name: str, key: str, number: int) -> bool:
    """Return whether a file, by its name or a link to it, is this one of the run `key`; 0 means any of it."""
    return f"-{key}-{number}." in name if number else belongs_to(name, key)


def number_in(name: str) -> int:
    """Return the number in a file's name, or 0 if the bot didn't name it."""
    found = _KEY.search(name)
    return int(found[2]) if found is not None else 0


def file_behind(link: str) -> str:
    """Return what identifies the file that a link leads to: its name if the bot named it, or else the link.

    Discord signs its links anew each time, so its signature is left out.
    """
    if key_in(link):
        return link.partition("?")[0].rpartition("/")[2]
    at_discord = _AT_DISCORD.match(link)
    return at_discord[1] if at_discord is not None else link


def links_in(values: Iterable[object]) -> list[str]:
    """Return the links among values and lists of values."""
    lists = (value if isinstance(value, list) else [value] for value in values)
    return [str(link) for each in lists for link in each if str(link).startswith("https://")]


def keys_in_links(values: Iterable[object]) -> frozenset[str]:
    """Return the run keys in the names of the files that values, or lists of values, link to."""
    return frozenset(key for link in links_in(values) for key, _ in _KEY.findall(link))
