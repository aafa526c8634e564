"""What `/reload` answers. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.deployments.catalogue import Reloaded
from bot.domain.text import quoted, shorten
from bot.strings import say

_NAMES = 600
_LINE = 300
_LINES = 5


def reloaded_text(found: Reloaded) -> str:
    """Within a message's 2,000 characters."""
    parts = (("added", found.added), ("changed", found.changed), ("removed", found.removed))
    lines = [say(f"reload_{word}", names=_names(names)) for word, names in parts if names]
    lines = [say("reload_done"), *(lines or [say("reload_same")])]
    if found.warnings:
        lines += [say("reload_warnings", count=len(found.warnings))]
    return "\n".join(lines)


def broken_text(mistakes: Sequence[str]) -> str:
    """Why nothing was changed; the file's words in it are made safe."""
    lines = [f"- {quoted(mistake, _LINE)}" for mistake in mistakes[:_LINES]]
    if len(mistakes) > _LINES:
        lines.append(say("reload_more", count=len(mistakes) - _LINES))
    return "\n".join([say("reload_broken"), *lines])


def _names(names: Sequence[str]) -> str:
    return shorten(", ".join(f"`{name}`" for name in names), _NAMES)
