"""The pages and the CSV rows of the audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from discord import ButtonStyle
from discord.ui import ActionRow, Button, LayoutView, TextDisplay

from bot.domain.moderation.audit import (
    PARTIAL,
    AuditAction,
    AuditButton,
    AuditCursor,
    AuditEntry,
    AuditFilter,
    AuditPage,
    StoredEntry,
)
from bot.domain.runs import RunState
from bot.domain.text import escape_line, message_url, sentence_case, shorten
from bot.domain.transitions import REQUESTER_BLOCKED
from bot.strings import SENTENCES, counted, say
from bot.ui.custom_ids import AuditId
from bot.ui.message_parts import phase, subtext
from bot.ui.settings.changes import Naming
from bot.ui.views import layout_of

# Lengths of a quoted prompt and of other quoted texts, such as a reason. A line has the first that fit in it.
_QUOTED = ((80, 200), (40, 200), (20, 200), (10, 200), (20, 60), (0, 60))
_NAME_LENGTH = 60
_FILE_PROMPT_LENGTH = 300
_LINE_LENGTH = 345  # ten lines and the filters stay below Discord's 4,000 characters
# The suffixes of a rule's codes, if the rule has several sentences.
_VARIANTS = ("_count", "_none")


def audit_layout(page: AuditPage, audit_filter: AuditFilter, naming: Naming) -> LayoutView:
    """Build a page of the audit log, newest first, with the filters above and buttons below."""
    lines = [audit_line(line, naming) for line in page.lines] or [say("record_none")]
    filters = subtext(_filters(audit_filter, naming))
    text = [say("record_heading"), *([filters] if filters else []), *lines]
    buttons = ActionRow[LayoutView](
        _button("record_newer", AuditButton.NEWER, audit_filter, page.newer),
        _button("record_older", AuditButton.OLDER, audit_filter, page.older),
        _button("record_file", AuditButton.FILE, audit_filter, None, enabled=bool(page.lines)),
    )
    return layout_of(TextDisplay("\n".join(text)), buttons)


def audit_line(stored: StoredEntry, naming: Naming) -> str:
    """Return the lines of an entry: the event with as many details as fit, then time and link.

    Users appear as mentions by id, which works even if they have left. If a run has no message to link to,
    its key is shown, so that the operator can find it. An entry that stands for several runs shows the key of
    their batch.
    """
    entry, url = stored.entry, _url(stored)
    title = naming.name(entry.deployment) if entry.deployment else "?"
    sentence = say(
        _sentence(stored),
        who=_person(entry.actor_id),
        whom=_person(entry.subject_id),
        deployment=say("several_title", title=title, count=stored.count) if stored.count > 1 else title,
    )
    line = sentence_case(sentence)
    subtext = f"-# <t:{int(entry.at.timestamp())}:f>"
    key = entry.request_key if stored.count > 1 else entry.run_key
    if url or key:
        subtext += f" · {say('record_open', url=url) if url else f'`{key}`'}"
    return f"{line}{_fitting(stored, naming, _LINE_LENGTH - len(line) - len(subtext) - 1)}\n{subtext}"


def _fitting(stored: StoredEntry, naming: Naming, space: int) -> str:
    """Return the details of an entry that fit in `space`, and an ellipsis if any were left out.

    The prompt is shortened before anything else, because the log is about what happened to it.
    """
    for quoted in _QUOTED:
        text = "".join(f" · {part}" for part in _about(stored, naming, _in_message, quoted))
        if len(text) <= space and (quoted[0] or not stored.prompt):
            return text
    text = ""
    for part in _about(stored, naming, _in_message, _QUOTED[-1]):
        if len(text) + len(part) + 5 <= space:
            text += f" · {part}"
    return f"{text} …"


def _sentence(stored: StoredEntry) -> str:
    """Return the string code of an entry's event, which may have another form for one's own request."""
    code, entry = _event(stored), stored.entry
    own = f"{code}_own"
    is_own = entry.actor_id is not None and entry.actor_id == entry.subject_id
    return own if is_own and own in SENTENCES else code


def _event(stored: StoredEntry) -> str:
    """Return the string code of an event; it doesn't depend on who acted.

    An entry about a copy has an outcome only if the copy could not be posted.
    """
    entry = stored.entry
    if entry.action is AuditAction.DELETE and stored.count > 1:
        return "record_delete_several"
    is_failed_copy = entry.action in (AuditAction.SHARE, AuditAction.POST) and entry.outcome is not None
    if _deleted_copy(entry):
        return "record_delete_copy"
    return f"record_{entry.action}_failed" if is_failed_copy else f"record_{entry.action}"


def _deleted_copy(entry: AuditEntry) -> bool:
    """Return whether a copy was deleted and its result was not."""
    return entry.action is AuditAction.DELETE and bool(entry.details.get("copy"))


def _about(
    stored: StoredEntry, naming: Naming, time: Callable[[datetime], str], quoted: tuple[int, int]
) -> Iterator[str]:
    """Yield the outcome and the details of an entry, the most important first."""
    entry = stored.entry
    if entry.outcome and entry.action is not AuditAction.EXPIRE:
        yield outcome_text(entry.outcome)
    yield from _details(stored, naming, time, quoted)


def _details(
    stored: StoredEntry, naming: Naming, time: Callable[[datetime], str], quoted: tuple[int, int] = _QUOTED[0]
) -> Iterator[str]:
    """Yield the details of an entry. `quoted` are the lengths of a quoted prompt and of other texts."""
    entry, details = stored.entry, stored.entry.details
    prompt_length, text_length = quoted
    changes = details.get("changes")
    for label, old, new in changes if isinstance(changes, list) else ():
        yield say("record_change", label=label, change=naming.line(f"{old} → {new}"))
    yield from _channel(details.get("channel"), naming)
    if stored.prompt and prompt_length:
        yield say("record_prompt", text=naming.text(stored.prompt, prompt_length))
    for name in ("gpu", "reason", "rule", "word"):
        value = details.get(name)
        if isinstance(value, str) and value:
            yield say(f"record_{name}", text=naming.text(value, text_length))
    if entry.action is AuditAction.BLOCK:
        yield _block_end(details.get("until"), time)
    yield from _facts(details)


def _facts(details: Mapping[str, object]) -> Iterator[str]:
    if details.get("private"):
        yield say("record_private")
    if "number" in details:
        yield say("details_several", number=details["number"], count=details.get("of"))
    ended = details.get("ended")
    if isinstance(ended, int):
        yield counted("record_ended", ended)


def _channel(channel: object, naming: Naming) -> Iterator[str]:
    if isinstance(channel, str) and channel.isdecimal():
        yield say("record_channel", channel=naming.channel(int(channel)))


def _block_end(until: object, time: Callable[[datetime], str]) -> str:
    if not isinstance(until, str):
        return say("blocked_open")
    return say("record_until", time=time(datetime.fromisoformat(until)))


def _in_message(at: datetime) -> str:
    return f"<t:{int(at.timestamp())}:f>"


AUDIT_COLUMNS = (
    "id",
    "time",
    "action",
    "by",
    "person",
    "deployment",
    "outcome",
    "request",
    "prompt",
    "link",
    "details",
)


def audit_cells(stored: StoredEntry, naming: Naming) -> tuple[str, ...]:
    """Return an entry as a row of the CSV file, in the order of `AUDIT_COLUMNS`.

    Users appear as mentions, because the bot stores no names and spreadsheets would round a bare id.
    """
    entry = stored.entry
    details = _details(replace(stored, prompt=None), naming, _in_file)
    return (
        str(stored.id),
        _in_file(entry.at),
        say("action_delete_copy") if _deleted_copy(entry) else action_text(entry.action),
        _person(entry.actor_id),
        _person(entry.subject_id) if entry.subject_id is not None else "",
        naming.title(entry.deployment) if entry.deployment else "",
        outcome_text(entry.outcome) if entry.outcome else "",
        entry.run_key or "",
        shorten(stored.prompt or "", _FILE_PROMPT_LENGTH),
        _url(stored) or "",
        "; ".join(details),
    )


def _in_file(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


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


def _filters(audit_filter: AuditFilter, naming: Naming) -> Iterator[str]:
    if audit_filter.subject is not None:
        yield say("record_filter_person", person=audit_filter.subject)
    if audit_filter.actor is not None:
        yield say("record_filter_by", person=audit_filter.actor)
    if audit_filter.deployment is not None:
        yield naming.name(audit_filter.deployment)
    if audit_filter.action is not None:
        yield action_text(audit_filter.action)
    if audit_filter.outcome is not None:
        yield outcome_text(audit_filter.outcome)
    if audit_filter.since is not None:
        yield say("record_filter_since", at=int(audit_filter.since.timestamp()))
    if audit_filter.until is not None:
        yield say("record_filter_until", at=int(audit_filter.until.timestamp()))


def _person(user_id: int | None) -> str:
    return f"<@{user_id}>" if user_id is not None else say("record_bot")


def _button(
    label: str,
    button: AuditButton,
    audit_filter: AuditFilter,
    cursor: AuditCursor | None,
    *,
    enabled: bool | None = None,
) -> Button[LayoutView]:
    return Button(
        label=say(label),
        style=ButtonStyle.secondary,
        custom_id=AuditId(button, audit_filter, cursor).encode(),
        disabled=not (cursor is not None if enabled is None else enabled),
    )
