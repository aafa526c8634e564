"""The pages and the CSV rows of the audit log."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

from discord import Guild
from discord.ui import LayoutView, Section
from discord.utils import format_dt
from pydantic import BeforeValidator, Field, PlainSerializer

from bot.domain.moderation import OUTCOMES, AuditAction, AuditEntry, AuditFilter, StoredEntry
from bot.domain.requests import PAGE_SIZE
from bot.domain.runs import REQUESTER_BLOCKED
from bot.domain.text import (
    escape_line,
    in_code,
    message_url,
    sentence_case,
    shorten,
    shorten_words,
    strip_invisible,
)
from bot.sentences import SENTENCES, say
from bot.ui.custom_ids import Id, OpenId, PageId
from bot.ui.message_parts import Content, Title, button, layout_of, lines, pager, subtext

_PROMPT_LENGTH, _TEXT_LENGTH, _NAME_LENGTH = 40, 200, 60
_FILE_PROMPT_LENGTH = 300
_LINE_LENGTH = 345  # ten lines and the filters stay below Discord's 4,000 characters
_Days = Annotated[int, Field(ge=0, lt=10_000)]
_SHORTEST = 20  # a text that would be cut to less is left out
_CHANNEL = re.compile(r"<#\d+>")
_MARKUP = re.compile(r"\\(.)|<(#|@&)(\d+)>")


def audit_layout(entries: Sequence[StoredEntry], current: AuditId, title: Title) -> LayoutView:
    """Build a page of the audit log, newest first, with the filters above and buttons below."""
    nothing = "" if entries else "Nothing was found. Try fewer filters."
    above = lines("### This server's audit log", subtext(_filters(current, title)), nothing)
    file = button("CSV file", AuditFileId(**asdict(current)), enabled=bool(entries))
    listed: list[Content] = []
    for stored in entries[:PAGE_SIZE]:
        line, key = audit_line(stored, title), stored.entry.run_key
        if key and stored.may_open and stored.entry.action is AuditAction.OUTCOME:
            listed.append(Section(line, accessory=button("Open", OpenId(key))))
        else:
            listed.append(line)
    return layout_of(above, *listed, [*pager(current, entries), file])


def audit_line(stored: StoredEntry, title: Title) -> str:
    """Return the lines of an entry: the event with as many details as fit, then time and link.

    Users appear as mentions by id, which works even if they have left. If a request has no message to link
    to, its key is shown, so that the operator can find it.
    """
    entry, url = stored.entry, _url(stored)
    name, count = escape_line(title(entry.deployment or "?"), _NAME_LENGTH), entry.details.get("runs")
    who, whom = _person(entry.actor_id), _person(entry.subject_id)
    has_failed = entry.action in (AuditAction.SHARE, AuditAction.POST) and entry.outcome is not None
    code = f"record_{entry.action}{'_failed' if has_failed else ''}"
    sentence = say(code, who=who, whom=whom, deployment=f"{name} ×{count}" if count else name)
    if who == whom:
        sentence = sentence.removesuffix(f" for {whom}").removesuffix(f" by {whom}")
    line = sentence_case(sentence)
    if entry.outcome and entry.action is not AuditAction.EXPIRE:
        line += f"{': ' if entry.action is AuditAction.REFUSAL else ' · '}{outcome_text(entry.outcome)}"
    if "word" in entry.details:
        line += f" `{in_code(str(entry.details['word']), _NAME_LENGTH)}`"
    footer = f"-# {format_dt(entry.at, 'f')}"
    if url or entry.run_key:
        footer += " · " + (f"[open]({url})" if url else f"`{entry.run_key}`")
    return f"{line}{_fitting(stored, _LINE_LENGTH - len(line) - len(footer) - 1)}\n{footer}"


def _fitting(stored: StoredEntry, space: int) -> str:
    """Return the details of an entry that fit in `space`, and an ellipsis if any were left out."""
    text, length = "", min(_PROMPT_LENGTH, (space - _SHORTEST) // 2)  # an escape doubles a character
    if stored.prompt and length > 0:
        opening, closing = ("||", "||") if stored.entry.action is AuditAction.REFUSAL else ("“", "”")
        text = f" · prompt {opening}{escape_line(stored.prompt, length)}{closing}"
    for label, value, ready in _details(stored.entry):
        room = space - len(text) - len(label) - len(" · :  …")
        if label in ("runs", "word"):  # the line has them
            continue
        if room < _SHORTEST:
            return f"{text} …"
        shown = shorten_words(value, room) if ready else escape_line(value, min(room, _TEXT_LENGTH))
        text += f" · {label}: {shown if len(shown) <= room else escape_line(value, room // 2)}"
    return text


AUDIT_COLUMNS = (
    *("id", "time", "action", "by", "person", "deployment", "outcome", "request", "prompt", "link"),
    "details",
)


def audit_cells(stored: StoredEntry, title: Title, guild: Guild) -> tuple[str, ...]:
    """Return an entry as a row of the CSV file.

    Users appear as mentions, because the bot stores no names and spreadsheets would round a bare id.
    """
    entry = stored.entry

    def plain(found: re.Match[str]) -> str:
        escaped, kind, id = found.groups()
        if escaped:
            return escaped
        if kind == "#":
            channel = guild.get_channel(int(id))
            return f"#{channel.name}" if channel is not None else id
        role = guild.get_role(int(id))
        return role.name if role is not None else id

    parts = ((f"{label}: {strip_invisible(text)}", ready) for label, text, ready in _details(entry))
    details = "; ".join(_MARKUP.sub(plain, part) if ready else part for part, ready in parts)
    return (
        str(stored.id),
        entry.at.isoformat(timespec="seconds"),
        action_name(entry.action),
        _person(entry.actor_id),
        _person(entry.subject_id) if entry.subject_id is not None else "",
        title(entry.deployment) if entry.deployment else "",
        outcome_text(entry.outcome) if entry.outcome else "",
        entry.run_key or "",
        shorten(stored.prompt or "", _FILE_PROMPT_LENGTH),
        _url(stored) or "",
        details,
    )


def _details(entry: AuditEntry) -> Iterator[tuple[str, str, bool]]:
    """Yield an entry's details: the label, the text, and whether it is shown without escapes."""
    changes = entry.details.get("changes")
    for label, old, new in changes if isinstance(changes, list) else ():
        yield label, f"{old} → {new}" if old else new, True
    for label, text in entry.details.items():
        if label not in ("changes", "prompt"):
            yield label, str(text), _CHANNEL.fullmatch(str(text)) is not None


def action_name(action: str) -> str:
    return sentence_case(action.replace("_", " "))


def _url(stored: StoredEntry) -> str | None:
    return message_url(stored.entry.guild_id, *stored.message) if stored.message is not None else None


def outcome_text(outcome: str) -> str:
    """Return an outcome as text: a title, or a short name for why a request or a copy was refused."""
    # A rule may have several sentences.
    rule = f"rule_{outcome.removesuffix('_count').removesuffix('_none')}"
    ending = "title_blocked" if outcome == REQUESTER_BLOCKED else f"title_{outcome}"
    code = next((each for each in (rule, ending) if each in SENTENCES), None)
    return say(code) if code is not None else escape_line(outcome.replace("_", " "), 40)


def _filters(chosen: AuditFilter, title: Title) -> list[str]:
    texts = (
        (chosen.subject, f"about <@{chosen.subject}>"),
        (chosen.actor, f"by <@{chosen.actor}>"),
        (chosen.deployment, escape_line(title(chosen.deployment), _NAME_LENGTH)),
        (chosen.action, action_name(chosen.action)),
        (chosen.outcome, outcome_text(chosen.outcome)),
        (chosen.since, f"from {chosen.since} days ago"),
        (chosen.until, f"up to {chosen.until} days ago"),
    )
    return [text for is_set, text in texts if is_set]


def _person(user_id: int | None) -> str:
    return f"<@{user_id}>" if user_id is not None else "the bot"


def _by_index(members: Sequence[str]) -> tuple[BeforeValidator, PlainSerializer]:
    """Return how a value is read and written as its index, because a custom_id is short."""
    known = {str(index): member for index, member in enumerate(("", *members))}
    written = {member: index for index, member in known.items()}
    return BeforeValidator(known.get), PlainSerializer(written.get)


class AuditId(AuditFilter, PageId, name="audit"):
    """A button that shows a page of `/audit`, in up to 100 characters."""

    subject: Id = 0
    actor: Id = 0
    outcome: Annotated[str, *_by_index(OUTCOMES)] = ""
    action: Annotated[str, *_by_index([*AuditAction])] = ""
    since: _Days = 0
    until: _Days = 0
    deployment: Annotated[str, Field(max_length=32)] = ""


class AuditFileId(AuditId, name="csv"):
    """The button that sends the entries as a file."""
