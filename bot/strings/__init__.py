"""Sentences that users read in Discord, by code. Most refusals also say what to do next.

A short sentence that only one place says is written there.

`say(code, **params)` fills in the placeholders. If the code is unknown or a placeholder has no value, it
returns the sentence `internal`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bot.domain.errors import BotError, InputErrors
from bot.strings.commands import COMMANDS
from bot.strings.runs import RUNS

log = logging.getLogger(__name__)

SENTENCES: Mapping[str, str] = {**COMMANDS, **RUNS}


def say(code: str, **params: object) -> str:
    """Return the sentence for a code with its placeholders filled in."""
    try:
        return SENTENCES[code].format_map(params)
    except (KeyError, IndexError, ValueError):
        log.exception("can't say %r with %s", code, sorted(params))
        return SENTENCES["internal"]


def explain(error: BotError) -> str:
    """Return the sentence for an error; several mistakes get a line each.

    A mistake in a form begins with the `label` of the field.
    """
    if isinstance(error, InputErrors):
        return "\n".join(explain(each) for each in error.errors)
    about = f"**{error.params['label']}:** " if "label" in error.params else ""
    return about + say(error.code, **error.params)
