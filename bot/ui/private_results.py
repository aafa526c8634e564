"""Private results for moderators: the select under the audit log, and the result that it opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from discord import Colour, SelectOption
from discord.ui import ActionRow, Item, LayoutView, Select, TextDisplay

from bot.domain.moderation.audit import AuditAction, AuditEntry, AuditPage
from bot.domain.runs import Run
from bot.domain.text import escape_line, in_utc, shorten, strip_invisible
from bot.strings import say
from bot.ui.custom_ids import Action, OpenId
from bot.ui.message_parts import (
    GALLERY,
    LAYOUT_TEXT,
    PROMPT_SHOWN,
    OutgoingMessage,
    PreparedOutputs,
    chunks,
    facts_of,
    fitting,
    further_messages,
    gallery_of,
    run_button,
    subtext,
    text_blocks,
    texts,
)
from bot.ui.views import framed

# An option's label has at most 100 characters.
_TITLE, _NAME = 50, 32


def openable(page: AuditPage) -> Mapping[str, AuditEntry]:
    """Return the entries about the ends of requests whose private results may be opened, by their key."""
    return {
        line.entry.run_key: line.entry
        for line in page.lines
        if line.may_open and line.entry.run_key and line.entry.action is AuditAction.OUTCOME
    }


def open_rows(
    page: AuditPage, title: Callable[[str], str], names: Mapping[int, str]
) -> list[ActionRow[LayoutView]]:
    """Return a row with a select of the private results on a page of the audit log, or no row if there are
    none.

    `names` are the requesters' names by id. A select can't show mentions, so a missing name is left out.
    """
    options = {
        key: SelectOption(label=_label(entry, title, names), description=in_utc(entry.at), value=key)
        for key, entry in openable(page).items()
    }
    if not options:
        return []
    select: Select[Any] = Select(
        custom_id=OpenId().encode(), placeholder=say("record_private_choose"), options=list(options.values())
    )
    return [ActionRow(select)]


def _label(entry: AuditEntry, title: Callable[[str], str], names: Mapping[int, str]) -> str:
    deployment = shorten(strip_invisible(title(entry.deployment)) if entry.deployment else "?", _TITLE)
    if count := entry.details.get("runs"):
        deployment = say("several_title", title=deployment, count=count)
    name = shorten(strip_invisible(names.get(entry.subject_id or 0, "")), _NAME)
    return say("record_private_option", deployment=deployment, name=name) if name else deployment


def opened_messages(
    run: Run, title: str, prepared: Mapping[str, PreparedOutputs]
) -> Sequence[OutgoingMessage]:
    """Build the messages that show a private result to a moderator; the first has Details and Delete."""
    outputs = prepared[run.key]
    gallery = [file for file in outputs.files if file.kind in GALLERY]
    others = [file for file in outputs.files if file.kind not in GALLERY]
    shown, *further = chunks(gallery) or [()]
    heading = say("open_heading", title=escape_line(title, 80), person=run.requester_id)
    prompt = f"> {escape_line(run.prompt, PROMPT_SHOWN)}" if run.prompt else ""
    blocks = text_blocks(outputs.texts, spoiler=run.spoiler)
    about = "\n".join(line for line in (heading, prompt) if line)
    space = LAYOUT_TEXT - len(about) - sum(map(len, blocks)) - 200
    remarks, left = fitting(list(outputs.remarks), space)
    items: list[Item[LayoutView]] = [TextDisplay(about)]
    if shown:
        items.append(gallery_of(run, shown))
    items += texts(*([block] for block in blocks), [*remarks, subtext(facts_of(run))])
    details = run_button(run, Action.DETAILS, "button_details")
    items.append(ActionRow(details, run_button(run, Action.DELETE, "button_delete")))
    first = OutgoingMessage(layout=framed(Colour.blurple(), *items), files=tuple(shown))
    return [first, *further_messages(run, further, chunks(others), left)]
