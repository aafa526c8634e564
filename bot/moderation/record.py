"""A page of the record, as moderators see it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from discord import ButtonStyle
from discord.ui import ActionRow, Button, LayoutView, TextDisplay

from bot.domain.records import AuditAction, AuditEntry, AuditFilter, AuditPage, Cursor, Step
from bot.domain.runs import RunState
from bot.domain.text import quoted
from bot.messages.blocks import phase
from bot.moderation.record_ids import record_id
from bot.strings import say

LINES_SHOWN = 10
# What belongs to no server stands in no server's record.
_ELSEWHERE = frozenset({AuditAction.PAUSE, AuditAction.RESUME, AuditAction.PRIVACY})
SERVER_ACTIONS = tuple(action for action in AuditAction if action not in _ELSEWHERE)
_REASON = 60
_LINE = 340  # ten of them and the filters stay below Discord's 4,000 characters a message


def record_layout(page: AuditPage, wanted: AuditFilter) -> LayoutView:
    """Newest first, with the filter above and the way on below."""
    layout = LayoutView(timeout=None)
    lines = [record_line(line.entry) for line in page.lines] or [say("record_none")]
    filters = " · ".join(_filters(wanted))
    text = [say("record_heading"), *([f"-# {filters}"] if filters else []), *lines]
    layout.add_item(TextDisplay("\n".join(text)))
    layout.add_item(
        ActionRow(
            _button("record_newer", Step.NEWER, wanted, page.newer),
            _button("record_older", Step.OLDER, wanted, page.older),
            _button("record_file", Step.FILE, wanted, None, enabled=bool(page.lines)),
        )
    )
    return layout


def record_line(entry: AuditEntry) -> str:
    """Who, what, and what it was about, as far as there is room; below it quietly when, and of which request.
    People are mentions by id, so that it does not matter whether they are still there."""
    happened = say(
        f"record_{entry.action}",
        who=_person(entry.actor_id),
        whom=_person(entry.subject_id),
        deployment=quoted(entry.deployment or "?", 32),
    )
    when = f"-# <t:{int(entry.at.timestamp())}:f>"
    below = f"{when} · `{entry.run_key}`" if entry.run_key else when
    line = happened
    for part in _about(entry):
        if len(line) + len(part) + len(below) < _LINE:
            line += f" · {part}"
    return f"{line}\n{below}"


def _about(entry: AuditEntry) -> Iterator[str]:
    if entry.outcome and entry.action is not AuditAction.EXPIRE:
        yield outcome_text(entry.outcome)
    for name in ("gpu", "reason", "what", "rule", "word"):
        value = entry.details.get(name)
        if isinstance(value, str) and value:
            yield say(f"record_{name}", text=quoted(value, _REASON))


def outcome_text(outcome: str) -> str:
    """A state as people read it; a rule's code as plain words."""
    if outcome in set(RunState):
        return say(phase(RunState(outcome)))
    return quoted(outcome.replace("_", " "), 40)


def action_text(action: AuditAction) -> str:
    """What kind of event it is, in a word or two."""
    return say(f"action_{action}")


def _filters(wanted: AuditFilter) -> Iterator[str]:
    if wanted.subject is not None:
        yield say("record_filter_person", person=wanted.subject)
    if wanted.actor is not None:
        yield say("record_filter_by", person=wanted.actor)
    if wanted.deployment is not None:
        yield quoted(wanted.deployment, 32)
    if wanted.action is not None:
        yield action_text(wanted.action)
    if wanted.outcome is not None:
        yield outcome_text(wanted.outcome)
    if wanted.since is not None:
        yield say("record_filter_since", at=int(wanted.since.timestamp()))
    if wanted.until is not None:
        yield say("record_filter_until", at=int(wanted.until.timestamp()))


def _person(person_id: int | None) -> str:
    return f"<@{person_id}>" if person_id is not None else say("record_bot")


def _button(
    label: str, step: Step, wanted: AuditFilter, cursor: Cursor | None, *, enabled: bool | None = None
) -> Button[LayoutView]:
    return Button(
        label=say(label),
        style=ButtonStyle.secondary,
        custom_id=record_id(step, wanted, cursor),
        disabled=not (cursor is not None if enabled is None else enabled),
    )
