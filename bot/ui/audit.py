"""The pages and the CSV rows of the audit log."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol

from discord.ui import ActionRow, LayoutView, Select, TextDisplay
from discord.utils import format_dt

from bot.domain.forms import Option
from bot.domain.moderation import (
    OUTCOMES,
    PARTIAL,
    AuditAction,
    AuditButton,
    AuditCursor,
    AuditEntry,
    AuditFilter,
    AuditPage,
    StoredEntry,
)
from bot.domain.runs import REQUESTER_BLOCKED, RunState
from bot.domain.text import (
    escape_line,
    in_utc,
    message_url,
    sentence_case,
    shorten,
    shorten_words,
    strip_invisible,
)
from bot.strings import SENTENCES, say
from bot.ui.custom_ids import CustomId, OpenId, Part, microseconds, moment
from bot.ui.forms import select_options
from bot.ui.message_parts import button, layout_of, pager, subtext
from bot.ui.run_facts import phase

_PROMPT_LENGTH, _TEXT_LENGTH, _NAME_LENGTH = 80, 200, 60
_FILE_PROMPT_LENGTH = 300
_LINE_LENGTH = 345  # ten lines and the filters stay below Discord's 4,000 characters
_SHORTEST = 20  # a text that would be cut to less is left out
_CHANNEL = re.compile(r"<#\d+>")
_MARKUP = re.compile(r"\\(.)|<(#|@&)(\d+)>")
# The suffixes of a rule's codes, if the rule has several sentences.
_VARIANTS = ("_count", "_none")
Title = Callable[[str], str]  # returns a deployment's title


class Server(Protocol):
    """A server as the gateway caches it."""

    def role_name(self, role_id: int) -> str: ...
    def channel_name(self, channel_id: int) -> str: ...


def audit_layout(page: AuditPage, audit_filter: AuditFilter, title: Title) -> LayoutView:
    """Build a page of the audit log, newest first, with the filters above and buttons below."""
    lines = [audit_line(line, title) for line in page.lines] or ["Nothing was found. Try fewer filters."]
    filters = subtext(_filters(audit_filter, title))
    text = ["### This server's audit log", *([filters] if filters else []), *lines]
    buttons = ActionRow[LayoutView](
        *pager(
            AuditId(AuditButton.NEWER, audit_filter, page.newer),
            AuditId(AuditButton.OLDER, audit_filter, page.older),
            is_first=page.newer is None,
            is_last=page.older is None,
        ),
        button("CSV file", AuditId(AuditButton.FILE, audit_filter), enabled=bool(page.lines)),
    )
    return layout_of(TextDisplay("\n".join(text)), buttons)


def audit_line(stored: StoredEntry, title: Title) -> str:
    """Return the lines of an entry: the event with as many details as fit, then time and link.

    Users appear as mentions by id, which works even if they have left. If a request has no message to link
    to, its key is shown, so that the operator can find it.
    """
    entry, url = stored.entry, _url(stored)
    name, count = _title(entry.deployment or "?", title), entry.details.get("runs")
    sentence = say(
        _sentence(entry),
        who=_person(entry.actor_id),
        whom=_person(entry.subject_id),
        deployment=f"{name} ×{count}" if count else name,
    )
    line = sentence_case(sentence)
    if entry.outcome and entry.action is not AuditAction.EXPIRE:
        line += f"{': ' if entry.action is AuditAction.REFUSAL else ' · '}{outcome_text(entry.outcome)}"
    if "word" in entry.details:
        word = strip_invisible(str(entry.details["word"])).replace("`", "'")
        line += f" `{shorten(word, _NAME_LENGTH)}`"
    footer = f"-# <t:{int(entry.at.timestamp())}:f>"
    if url or entry.run_key:
        footer += " · " + (f"[open]({url})" if url else f"`{entry.run_key}`")
    return f"{line}{_fitting(stored, _LINE_LENGTH - len(line) - len(footer) - 1)}\n{footer}"


def _fitting(stored: StoredEntry, space: int) -> str:
    """Return the details of an entry that fit in `space`, and an ellipsis if any were left out.

    The prompt is shortened before anything else, because the log is about what happened to it.
    """
    text = ""
    for label, value, ready in _details(stored.entry):
        room = space - len(text) - len(label) - len(" · :  …")
        if label in ("runs", "word"):  # the line has them
            continue
        if room < _SHORTEST:
            return f"{text} …"
        shown = value if ready else escape_line(value, _TEXT_LENGTH)
        if len(shown) > room:
            # An escape doubles a character.
            shown = shorten_words(value, room) if ready else escape_line(value, room // 2)
        text += f" · {label}: {shown}"
    if not stored.prompt:
        return text
    opening, closing = ("||", "||") if stored.entry.action is AuditAction.REFUSAL else ("“", "”")
    length = min(_PROMPT_LENGTH, (space - len(text) - len(f"prompt {opening}{closing}") - 3) // 2)
    if length < _SHORTEST // 2:
        return f"{text} …"
    return f" · prompt {opening}{escape_line(stored.prompt, length)}{closing}{text}"


def _title(deployment: str, title: Title) -> str:
    return escape_line(title(deployment), _NAME_LENGTH)


def _sentence(entry: AuditEntry) -> str:
    """Return the string code of an entry's event, which may have other forms for several results, for a copy
    that could not be posted, and for one's own request.
    """
    code = f"record_{entry.action}"
    if entry.action in (AuditAction.SHARE, AuditAction.POST) and entry.outcome is not None:
        code += "_failed"
    if "runs" in entry.details and f"{code}_several" in SENTENCES:
        code += "_several"
    is_own = entry.actor_id is not None and entry.actor_id == entry.subject_id
    return f"{code}_own" if is_own and f"{code}_own" in SENTENCES else code


AUDIT_COLUMNS = (
    *("id", "time", "action", "by", "person", "deployment", "outcome", "request", "prompt", "link"),
    "details",
)


def audit_cells(stored: StoredEntry, title: Title, server: Server) -> tuple[str, ...]:
    """Return an entry as a row of the CSV file, in the order of `AUDIT_COLUMNS`.

    Users appear as mentions, because the bot stores no names and spreadsheets would round a bare id.
    """
    entry = stored.entry

    def plain(found: re.Match[str]) -> str:
        escaped, kind, id = found.groups()
        if escaped:
            return escaped
        return server.channel_name(int(id)) if kind == "#" else server.role_name(int(id))

    parts = ((f"{label}: {strip_invisible(text)}", ready) for label, text, ready in _details(entry))
    details = "; ".join(_MARKUP.sub(plain, part) if ready else part for part, ready in parts)
    return (
        str(stored.id),
        entry.at.isoformat(timespec="seconds"),
        action_text(entry.action),
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
    """Yield the labels and the texts of an entry's details, and whether a message shows them as they are.

    Other texts are escaped there.
    """
    changes = entry.details.get("changes")
    for label, old, new in changes if isinstance(changes, list) else ():
        yield label, f"{old} → {new}" if old else new, True
    for label, text in entry.details.items():
        if label not in ("changes", "prompt"):
            yield label, str(text), _CHANNEL.fullmatch(str(text)) is not None


def _url(stored: StoredEntry) -> str | None:
    return message_url(stored.entry.guild_id, *stored.message) if stored.message is not None else None


def outcome_text(outcome: str) -> str:
    """Return an outcome as text: a title, or a short name for why a request or a copy was refused."""
    if outcome == REQUESTER_BLOCKED:
        return say("title_blocked")
    if outcome == PARTIAL:
        return say("title_partial")
    if outcome in set(RunState):
        return say(phase(RunState(outcome)))
    rule = outcome
    for variant in _VARIANTS:
        rule = rule.removesuffix(variant)
    if f"rule_{rule}" in SENTENCES:
        return say(f"rule_{rule}")
    return escape_line(outcome.replace("_", " "), 40)


def action_text(action: AuditAction) -> str:
    """Return a short name for a kind of event."""
    return say(f"action_{action}")


def _filters(audit_filter: AuditFilter, title: Title) -> Iterator[str]:
    if audit_filter.subject is not None:
        yield f"about <@{audit_filter.subject}>"
    if audit_filter.actor is not None:
        yield f"by <@{audit_filter.actor}>"
    if audit_filter.deployment is not None:
        yield _title(audit_filter.deployment, title)
    if audit_filter.action is not None:
        yield action_text(audit_filter.action)
    if audit_filter.outcome is not None:
        yield outcome_text(audit_filter.outcome)
    if audit_filter.since is not None:
        yield f"since {format_dt(audit_filter.since, 'f')}"
    if audit_filter.until is not None:
        yield f"before {format_dt(audit_filter.until, 'f')}"


def _person(user_id: int | None) -> str:
    return f"<@{user_id}>" if user_id is not None else "the bot"


# An option's label has at most 100 characters.
_OPTION_TITLE, _OPTION_NAME = 50, 32


def openable(page: AuditPage) -> Mapping[str, AuditEntry]:
    """Return the entries about the ends of requests whose private results may be opened, by their key."""
    return {
        line.entry.run_key: line.entry
        for line in page.lines
        if line.may_open and line.entry.run_key and line.entry.action is AuditAction.OUTCOME
    }


def open_rows(page: AuditPage, title: Title, names: Mapping[int, str]) -> list[ActionRow[LayoutView]]:
    """Return a row with a select of the private results on a page of the audit log, or no row if there are
    none.

    `names` are the requesters' names by id. A select can't show mentions, so a missing name is left out.
    """
    options = select_options(
        Option(key, _label(entry, title, names), in_utc(entry.at)) for key, entry in openable(page).items()
    )
    custom_id, placeholder = OpenId().encode(), "Open a private result"
    select: Select[Any] = Select(custom_id=custom_id, placeholder=placeholder, options=options)
    return [ActionRow(select)] if options else []


def _label(entry: AuditEntry, title: Title, names: Mapping[int, str]) -> str:
    deployment = shorten(strip_invisible(title(entry.deployment)) if entry.deployment else "?", _OPTION_TITLE)
    if count := entry.details.get("runs"):
        deployment = f"{deployment} ×{count}"
    name = shorten(strip_invisible(names.get(entry.subject_id or 0, "")), _OPTION_NAME)
    return f"{deployment} for {name}" if name else deployment


# Subject, actor, since and until in seconds, action and outcome. Actions and outcomes are stored as indexes.
_FILTER = struct.Struct(">QQIIBB")
_ACTIONS = (None, *AuditAction)
_OUTCOMES = (None, *OUTCOMES)
_CURSOR = struct.Struct(">QI")  # microseconds and the entry's number
_LARGEST_SNOWFLAKE = (1 << 63) - 1
_LARGEST_ENTRY = (1 << 31) - 1


def _write_filter(chosen: AuditFilter) -> str:
    packed = _FILTER.pack(
        chosen.subject or 0,
        chosen.actor or 0,
        _seconds(chosen.since),
        _seconds(chosen.until),
        _ACTIONS.index(chosen.action),
        _OUTCOMES.index(chosen.outcome),
    )
    return f"{base64.urlsafe_b64encode(packed).decode()}:{chosen.deployment or ''}"


def _read_filter(text: str) -> AuditFilter:
    packed, _, deployment = text.partition(":")
    subject, actor, since, until, action, outcome = _FILTER.unpack(base64.urlsafe_b64decode(packed))
    if max(subject, actor) > _LARGEST_SNOWFLAKE:
        raise ValueError("not an id of Discord's")
    return AuditFilter(
        subject=subject or None,
        actor=actor or None,
        deployment=deployment or None,
        outcome=_OUTCOMES[outcome],
        action=_ACTIONS[action],
        since=moment(since * 1_000_000) if since else None,
        until=moment(until * 1_000_000) if until else None,
    )


def _write_cursor(cursor: AuditCursor | None) -> str:
    if cursor is None:
        return ""
    return base64.urlsafe_b64encode(_CURSOR.pack(microseconds(cursor.at), cursor.id)).decode()


def _read_cursor(text: str) -> AuditCursor | None:
    if not text:
        return None
    micros, number = _CURSOR.unpack(base64.urlsafe_b64decode(text))
    if number > _LARGEST_ENTRY:
        raise ValueError("not the number of an audit entry")
    return AuditCursor(moment(micros), number)


def _seconds(at: datetime | None) -> int:
    return microseconds(at) // 1_000_000 if at is not None else 0


@dataclass(frozen=True, slots=True)
class AuditId(CustomId):
    """A button under a page of `/audit`: the filter, and the cursor of the page, in up to 94 characters."""

    NAME = "audit"
    button: AuditButton
    audit_filter: Annotated[AuditFilter, Part("[A-Za-z0-9_=-]{36}:.{0,32}", _write_filter, _read_filter)]
    cursor: Annotated[AuditCursor | None, Part("(?:[A-Za-z0-9_-]{16})?", _write_cursor, _read_cursor)] = None
