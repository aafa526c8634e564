"""Show names in the audit log, in a message or in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bot.domain.settings.values import Names, SettingsContext
from bot.domain.text import escape_line, shorten_words, strip_invisible

_NAME_LENGTH, _LINE_LENGTH = 60, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """Functions that return the names of channels and deployments as a message or a file shows them.

    `text` escapes or cleans a text, and may cut it to a length. `line` may shorten a stored line.
    """

    channel: Callable[[int], str]
    title: Callable[[str], str]
    text: Callable[[str, int], str]
    line: Callable[[str], str]

    def name(self, deployment: str) -> str:
        """Return the title of a deployment."""
        return self.text(self.title(deployment), _NAME_LENGTH)


def in_message(context: SettingsContext, title: Callable[[str], str]) -> Naming:
    """Return the naming for a message in Discord: mentions and escaped names."""
    return Naming(
        channel=lambda channel: context.title(Names.CHANNEL, channel),
        title=title,
        text=escape_line,
        line=partial(shorten_words, limit=_LINE_LENGTH),
    )


def in_file(channel: Callable[[int], str], title: Callable[[str], str]) -> Naming:
    """Return the naming for a file: plain names."""
    return Naming(
        channel=channel, title=title, text=lambda text, _limit: strip_invisible(text), line=lambda line: line
    )
