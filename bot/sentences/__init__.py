"""Sentences that users read in Discord, by code. Most refusals also say what to do next.

A short sentence that only one place says is written there.

`say(code, **params)` fills in the placeholders. If the code is unknown or a placeholder has no value, it
returns the sentence `internal`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from bot.domain.errors import BotError, InputErrors
from bot.domain.runs import Output
from bot.domain.text import CONTENT_TEXT, escape_line
from bot.sentences.commands import COMMANDS
from bot.sentences.runs import RUNS

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


# Returns whether a message may link to an address.
MayLink = Callable[[str], bool]


def link_remark(code: str, output: Output, number: int, may_link: MayLink) -> str:
    name, url = output_name(output, number), output.url or ""
    if not may_link(url):
        return say("media_forbidden", name=name)
    sentence = say(code, name=name, url=url)
    return sentence if len(sentence) <= CONTENT_TEXT else say("media_link_too_long", name=name)


def output_name(output: Output, number: int) -> str:
    return escape_line(output.filename or "", 80) or f"file {number}"
