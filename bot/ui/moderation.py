"""What moderators see of a request or a result: Run -> part. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import discord
from discord import ButtonStyle, Colour, MediaGalleryItem
from discord.ui import (
    ActionRow,
    Button,
    Container,
    File,
    Item,
    Label,
    LayoutView,
    MediaGallery,
    Modal,
    TextDisplay,
    TextInput,
)
from discord.utils import snowflake_time

from bot.deployments.input_text import ShownInputs
from bot.domain.records import AuditAction, AuditButton, AuditCursor, AuditEntry, AuditFilter, AuditPage
from bot.domain.runs import Run, RunState
from bot.domain.text import channel_url, escape_line
from bot.domain.transitions import REQUESTER_BLOCKED
from bot.strings import say
from bot.ui.components import (
    GALLERY,
    LAYOUT_TEXT,
    PROMPT_SHOWN,
    ChannelName,
    OutgoingMessage,
    PreparedFile,
    PreparedOutputs,
    phase,
)
from bot.ui.custom_ids import Action, custom_id, record_id

_VALUE = 400
_ALL_VALUES = 3000
_FILES = 10
_REPORTERS = 5
_DECIDED = {
    RunState.REJECTED: ("card_rejected", Colour.red()),
    RunState.EXPIRED: ("card_expired", Colour.light_grey()),
    RunState.CANCELLED: ("card_cancelled", Colour.light_grey()),
}
_APPROVED = ("card_approved", Colour.green())
_BARRED = ("card_blocked", Colour.red())
_OVER = ("review_over", Colour.light_grey())


def review_part(run: Run, title: str, inputs: ShownInputs, prepared: PreparedOutputs) -> OutgoingMessage:
    """The card that asks for a decision: who, what, all inputs, what it costs.

    Nobody agrees to what they can't read: where inputs are too long for it, Details has them whole.
    """
    files = prepared.files[:_FILES]
    about = _card_about(run, title, inputs, "card_heading")
    items: list[Item[LayoutView]] = [TextDisplay(about), *_shown(files, spoiler=run.spoiler)]
    items += _notes(prepared, len(about))
    row: ActionRow[LayoutView] = ActionRow(
        _card_button(run, Action.APPROVE, "button_approve", ButtonStyle.success),
        _card_button(run, Action.REJECT, "button_reject", ButtonStyle.danger),
        _card_button(run, Action.BLOCK, "button_block", ButtonStyle.secondary),
    )
    if _values(inputs.values) != _lines(inputs.values, None) or len(prepared.files) > _FILES:
        row.add_item(_card_button(run, Action.DETAILS, "button_details", ButtonStyle.secondary))
    items.append(row)
    return OutgoingMessage(layout=_layout(items, Colour.gold()), files=files)


def _notes(prepared: PreparedOutputs, taken: int) -> list[Item[LayoutView]]:
    """What is said about files that can't be shown, as far as there is room beside `taken` characters."""
    notes = [*prepared.notes]
    if len(prepared.files) > _FILES:
        notes.insert(0, say("media_more", count=len(prepared.files) - _FILES))
    while notes and taken + sum(map(len, notes)) + len(notes) > LAYOUT_TEXT:
        notes.pop()
    return [TextDisplay("\n".join(notes))] if notes else []


def _shown(files: Sequence[PreparedFile], *, spoiler: bool) -> list[Item[LayoutView]]:
    """Pictures and videos to look at, anything else to download; all of it kept as our own copies."""
    gallery = [
        MediaGalleryItem(f"attachment://{f.filename}", spoiler=spoiler) for f in files if f.kind in GALLERY
    ]
    others = [
        File[LayoutView](f"attachment://{f.filename}", spoiler=spoiler)
        for f in files
        if f.kind not in GALLERY
    ]
    return [*([MediaGallery[LayoutView](*gallery)] if gallery else []), *others]


def decided_part(run: Run, title: str, inputs: ShownInputs) -> OutgoingMessage:
    """The card afterwards: who decided what and when, no buttons."""
    code, colour = _verdict(run)
    at = int(run.decided_at.timestamp()) if run.decided_at else 0
    verdict = say(code, person=run.decided_by or 0, at=at)
    reason = run.failure_params.get("reason") if run.state is RunState.REJECTED else None
    lines = [_card_about(run, title, inputs, "card_heading_over"), verdict]
    if reason:
        lines.append(f"> {escape_line(str(reason), _VALUE)}")
    return OutgoingMessage(layout=_layout([TextDisplay("\n".join(lines))], colour))


def _verdict(run: Run) -> tuple[str, Colour]:
    if run.state is RunState.REJECTED:
        return _BARRED if run.failure_code == REQUESTER_BLOCKED else _DECIDED[run.state]
    return _APPROVED if run.decided_at is not None else _DECIDED.get(run.state, _OVER)


def report_part(
    run: Run, title: str, reporters: Sequence[int], link: str | None, prepared: PreparedOutputs
) -> OutgoingMessage:
    """A reported result, for the moderators: whose, who reports it, and what it shows, behind a spoiler.

    The files are named apart from the result's own, by which the courier knows its messages.
    """
    files = tuple(replace(file, filename=f"report-{file.filename}") for file in prepared.files[:_FILES])
    about = "\n".join(_reported(run, title, reporters, link))
    texts = [f"||{escape_line(text, _VALUE)}||" for text in prepared.texts]
    while texts and len(about) + sum(map(len, texts)) > LAYOUT_TEXT:
        texts.pop()
    several = run.leads and run.batch_size > 1
    row: ActionRow[LayoutView] = ActionRow(
        _card_button(run, Action.CLEAR if several else Action.DELETE, "button_delete", ButtonStyle.danger),
        _card_button(run, Action.BLOCK, "button_block", ButtonStyle.secondary),
        _card_button(run, Action.DISMISS, "button_dismiss", ButtonStyle.secondary),
    )
    items: list[Item[LayoutView]] = [TextDisplay(about), *_shown(files, spoiler=True)]
    items += [TextDisplay(text) for text in texts]
    items += _notes(prepared, len(about) + sum(map(len, texts)))
    return OutgoingMessage(layout=_layout([*items, row], Colour.orange()), files=files)


def _reported(run: Run, title: str, reporters: Sequence[int], link: str | None) -> list[str]:
    named = [f"<@{person}>" for person in reporters[:_REPORTERS]]
    if len(reporters) > _REPORTERS:
        named.append(say("report_more", count=len(reporters) - _REPORTERS))
    lines = [
        say("report_heading", title=escape_line(title, 80)),
        say("report_made_by", person=run.requester_id),
    ]
    if named:
        lines.append(say("report_by", people=", ".join(named)))
    if run.age_restricted:
        lines.append(say("report_restricted"))
    if link:
        lines.append(say("report_link", url=link))
    if run.prompt:
        # Last, because some clients carry a quotation on until the text ends.
        lines.append(f"> {escape_line(run.prompt, _VALUE)}")
    return lines


def closed_report_part(run: Run, title: str, verdict: str) -> OutgoingMessage:
    """The report once somebody has dealt with it."""
    lines = [
        say("report_heading", title=escape_line(title, 80)),
        say("report_made_by", person=run.requester_id),
        verdict,
    ]
    return OutgoingMessage(layout=_layout([TextDisplay("\n".join(lines))], Colour.light_grey()))


def expired_card() -> OutgoingMessage:
    """A card whose request the store does not hold any more."""
    return OutgoingMessage(layout=_layout([TextDisplay(say("card_gone"))], Colour.light_grey()))


def notice_part(run: Run, title: str, place: ChannelName | None) -> OutgoingMessage:
    """The reason of a rejection or a block, for the requester alone; `place` where its names are known."""
    reason = str(run.failure_params.get("reason") or "")
    url = channel_url(run.guild_id, run.channel_id)
    lines = [
        say(
            "block_notice" if run.failure_code == REQUESTER_BLOCKED else "rejection_notice",
            title=escape_line(title, 80),
        )
    ]
    if run.prompt:
        lines.append(f"> {escape_line(run.prompt, PROMPT_SHOWN)}")
    if reason:
        lines.append(say("rejection_reason", reason=escape_line(reason, 900)))
    # A channel's mention says nothing in direct messages to whoever can't see the channel.
    if place is not None:
        lines.append(
            say(
                "notice_place",
                channel=escape_line(place.channel, 100),
                server=escape_line(place.server, 100),
                url=url,
            )
        )
    else:
        lines.append(say("notice_link", url=url))
    return OutgoingMessage(layout=_layout([TextDisplay(line) for line in lines], Colour.red()))


def _card_about(run: Run, title: str, inputs: ShownInputs, heading: str) -> str:
    who = [
        say("card_who", person=run.requester_id),
        say("card_account", at=int(snowflake_time(run.requester_id).timestamp())),
    ]
    if run.requester_joined_at is not None:
        who.append(say("card_joined", at=int(run.requester_joined_at.timestamp())))
    lines = [say(heading, title=escape_line(title, 80)), " · ".join(who), *_values(inputs.values)]
    facts = [say("card_place", channel=run.channel_id), _cost(run)]
    if run.gpu:
        facts.insert(0, say("gpu", gpu=escape_line(run.gpu, 32)))
    return "\n".join([*lines, f"-# {' · '.join(facts)}"])


def _cost(run: Run) -> str:
    """Of several, what all of them cost."""
    code = "card_cost_several" if run.batch_size > 1 else "card_cost"
    return say(code, runs=run.batch_size, seconds=round(run.reserved_seconds * run.batch_size))


def _values(values: Sequence[tuple[str, str]]) -> list[str]:
    """Every input; where all of them are too long for a message, each a little shorter."""
    length = _VALUE
    while True:
        lines = _lines(values, length)
        while length < 20 and sum(map(len, lines)) + len(lines) > _ALL_VALUES:
            lines.pop()
        if sum(map(len, lines)) + len(lines) <= _ALL_VALUES:
            return lines
        length //= 2


def _lines(values: Sequence[tuple[str, str]], length: int | None) -> list[str]:
    return [
        f"**{escape_line(name, 40)}** {escape_line(value, length or len(value) + 1)}"
        for name, value in values
    ]


def _card_button(run: Run, action: Action, label: str, style: ButtonStyle) -> Button[LayoutView]:
    return Button(label=say(label), style=style, custom_id=custom_id(run.key, action))


def _layout(items: Sequence[Item[LayoutView]], colour: Colour) -> LayoutView:
    layout = LayoutView(timeout=None)
    layout.add_item(Container(*items, accent_colour=colour))
    return layout


_AUDIT_REASON_LENGTH = 60
_LINE = 340  # ten of them and the filters stay below Discord's 4,000 characters a message


def audit_layout(page: AuditPage, wanted: AuditFilter) -> LayoutView:
    """Newest first, with the filter above and the way on below."""
    layout = LayoutView(timeout=None)
    lines = [record_line(line.entry) for line in page.lines] or [say("record_none")]
    filters = " · ".join(_filters(wanted))
    text = [say("record_heading"), *([f"-# {filters}"] if filters else []), *lines]
    layout.add_item(TextDisplay("\n".join(text)))
    layout.add_item(
        ActionRow(
            _audit_button("record_newer", AuditButton.NEWER, wanted, page.newer),
            _audit_button("record_older", AuditButton.OLDER, wanted, page.older),
            _audit_button("record_file", AuditButton.FILE, wanted, None, enabled=bool(page.lines)),
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
        deployment=escape_line(entry.deployment or "?", 32),
    )
    when = f"-# <t:{int(entry.at.timestamp())}:f>"
    below = f"{when} · `{entry.run_key}`" if entry.run_key else when
    line = happened
    for part in _audit_about(entry):
        if len(line) + len(part) + len(below) < _LINE:
            line += f" · {part}"
    return f"{line}\n{below}"


def _audit_about(entry: AuditEntry) -> Iterator[str]:
    if entry.outcome and entry.action is not AuditAction.EXPIRE:
        yield outcome_text(entry.outcome)
    for name in ("gpu", "reason", "what", "rule", "word"):
        value = entry.details.get(name)
        if isinstance(value, str) and value:
            yield say(f"record_{name}", text=escape_line(value, _AUDIT_REASON_LENGTH))


def outcome_text(outcome: str) -> str:
    """A state as people read it; a rule's code as plain words."""
    if outcome in set(RunState):
        return say(phase(RunState(outcome)))
    return escape_line(outcome.replace("_", " "), 40)


def action_text(action: AuditAction) -> str:
    """What kind of event it is, in a word or two."""
    return say(f"action_{action}")


def _filters(wanted: AuditFilter) -> Iterator[str]:
    if wanted.subject is not None:
        yield say("record_filter_person", person=wanted.subject)
    if wanted.actor is not None:
        yield say("record_filter_by", person=wanted.actor)
    if wanted.deployment is not None:
        yield escape_line(wanted.deployment, 32)
    if wanted.action is not None:
        yield action_text(wanted.action)
    if wanted.outcome is not None:
        yield outcome_text(wanted.outcome)
    if wanted.since is not None:
        yield say("record_filter_since", at=int(wanted.since.timestamp()))
    if wanted.until is not None:
        yield say("record_filter_until", at=int(wanted.until.timestamp()))


def _person(user_id: int | None) -> str:
    return f"<@{user_id}>" if user_id is not None else say("record_bot")


def _audit_button(
    label: str,
    step: AuditButton,
    wanted: AuditFilter,
    cursor: AuditCursor | None,
    *,
    enabled: bool | None = None,
) -> Button[LayoutView]:
    return Button(
        label=say(label),
        style=ButtonStyle.secondary,
        custom_id=record_id(step, wanted, cursor),
        disabled=not (cursor is not None if enabled is None else enabled),
    )


_REASON = "reason"
_LONGEST = 500


def reject_modal(key: str) -> Modal:
    return _modal(key, "reject")


def block_modal(key: str) -> Modal:
    return _modal(key, "block")


def _modal(key: str, form: str) -> Modal:
    modal = Modal(title=say(f"{form}_title"), custom_id=f"form:{key}:{form}", timeout=None)
    field: TextInput[Modal] = TextInput(
        style=discord.TextStyle.paragraph, required=form == "block", max_length=_LONGEST, custom_id=_REASON
    )
    modal.add_item(Label(text=say(f"{form}_label"), description=say(f"{form}_hint"), component=field))
    modal.stop()  # answered by `Forms`, so discord.py need not remember who opened it
    return modal
