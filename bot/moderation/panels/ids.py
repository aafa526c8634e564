"""The panel's custom_ids, `set:{section}:{name}[:{arg}]`: its whole state, so it outlives restarts."""

from __future__ import annotations

import re

from bot.domain.settings_table import Control, Section

# Everything of ours, also of another version: what we don't know is answered, not left to Discord's error.
PATTERN = re.compile(r"set:(?P<rest>.*)", re.DOTALL)
_PARTS = re.compile(r"(?P<section>[a-z]+):(?P<name>[a-z_]+)(?::(?P<arg>.*))?", re.DOTALL)


def parse(rest: str) -> Control | None:
    """None for what no panel of this version has."""
    match = _PARTS.fullmatch(rest)
    if match is None or match["section"] not in set(Section):
        return None
    return Control(Section(match["section"]), match["name"], match["arg"] or "")
