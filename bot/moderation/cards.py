"""What moderators see of a request or a result: Run -> part. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from discord import ButtonStyle, Colour, MediaGalleryItem
from discord.ui import ActionRow, Button, Container, File, Item, LayoutView, MediaGallery, TextDisplay
from discord.utils import snowflake_time

from bot.deployments.input_text import ShownInputs
from bot.domain.runs import Run, RunState
from bot.domain.text import channel_url, quoted
from bot.domain.transitions import BARRED
from bot.messages.blocks import LAYOUT_TEXT, PROMPT_SHOWN
from bot.messages.buttons import Action, custom_id
from bot.messages.parts import GALLERY, Part, Place, Prepared, PreparedFile
from bot.strings import say

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


def review_part(run: Run, title: str, inputs: ShownInputs, prepared: Prepared) -> Part:
    """The card that asks for a decision: who, what, all inputs, what it costs.

    Nobody agrees to what they can't read: where inputs are too long for it, Details has them whole.
    """
    files = prepared.files[:_FILES]
    about = _about(run, title, inputs, "card_heading")
    items: list[Item[LayoutView]] = [TextDisplay(about), *_shown(files, spoiler=run.spoiler)]
    items += _notes(prepared, len(about))
    row: ActionRow[LayoutView] = ActionRow(
        _button(run, Action.APPROVE, "button_approve", ButtonStyle.success),
        _button(run, Action.REJECT, "button_reject", ButtonStyle.danger),
        _button(run, Action.BLOCK, "button_block", ButtonStyle.secondary),
    )
    if _values(inputs.values) != _lines(inputs.values, None) or len(prepared.files) > _FILES:
        row.add_item(_button(run, Action.DETAILS, "button_details", ButtonStyle.secondary))
    items.append(row)
    return Part(layout=_layout(items, Colour.gold()), files=files)


def _notes(prepared: Prepared, taken: int) -> list[Item[LayoutView]]:
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


def decided_part(run: Run, title: str, inputs: ShownInputs) -> Part:
    """The card afterwards: who decided what and when, no buttons."""
    code, colour = _verdict(run)
    at = int(run.decided_at.timestamp()) if run.decided_at else 0
    verdict = say(code, person=run.decided_by or 0, at=at)
    reason = run.failure_params.get("reason") if run.state is RunState.REJECTED else None
    lines = [_about(run, title, inputs, "card_heading_over"), verdict]
    if reason:
        lines.append(f"> {quoted(str(reason), _VALUE)}")
    return Part(layout=_layout([TextDisplay("\n".join(lines))], colour))


def _verdict(run: Run) -> tuple[str, Colour]:
    if run.state is RunState.REJECTED:
        return _BARRED if run.failure_code == BARRED else _DECIDED[run.state]
    return _APPROVED if run.decided_at is not None else _DECIDED.get(run.state, _OVER)


def report_part(run: Run, title: str, reporters: Sequence[int], link: str | None, prepared: Prepared) -> Part:
    """A reported result, for the moderators: whose, who reports it, and what it shows, behind a spoiler.

    The files are named apart from the result's own, by which the courier knows its messages.
    """
    files = tuple(replace(file, filename=f"report-{file.filename}") for file in prepared.files[:_FILES])
    about = "\n".join(_reported(run, title, reporters, link))
    texts = [f"||{quoted(text, _VALUE)}||" for text in prepared.texts]
    while texts and len(about) + sum(map(len, texts)) > LAYOUT_TEXT:
        texts.pop()
    several = run.leads and run.batch_size > 1
    row: ActionRow[LayoutView] = ActionRow(
        _button(run, Action.CLEAR if several else Action.DELETE, "button_delete", ButtonStyle.danger),
        _button(run, Action.BLOCK, "button_block", ButtonStyle.secondary),
        _button(run, Action.DISMISS, "button_dismiss", ButtonStyle.secondary),
    )
    items: list[Item[LayoutView]] = [TextDisplay(about), *_shown(files, spoiler=True)]
    items += [TextDisplay(text) for text in texts]
    items += _notes(prepared, len(about) + sum(map(len, texts)))
    return Part(layout=_layout([*items, row], Colour.orange()), files=files)


def _reported(run: Run, title: str, reporters: Sequence[int], link: str | None) -> list[str]:
    named = [f"<@{person}>" for person in reporters[:_REPORTERS]]
    if len(reporters) > _REPORTERS:
        named.append(say("report_more", count=len(reporters) - _REPORTERS))
    lines = [say("report_heading", title=quoted(title, 80)), say("report_made_by", person=run.requester_id)]
    if named:
        lines.append(say("report_by", people=", ".join(named)))
    if run.age_restricted:
        lines.append(say("report_restricted"))
    if link:
        lines.append(say("report_link", url=link))
    if run.prompt:
        # Last, because some clients carry a quotation on until the text ends.
        lines.append(f"> {quoted(run.prompt, _VALUE)}")
    return lines


def closed_report_part(run: Run, title: str, verdict: str) -> Part:
    """The report once somebody has dealt with it."""
    lines = [
        say("report_heading", title=quoted(title, 80)),
        say("report_made_by", person=run.requester_id),
        verdict,
    ]
    return Part(layout=_layout([TextDisplay("\n".join(lines))], Colour.light_grey()))


def gone_part() -> Part:
    """A card whose request the store does not hold any more."""
    return Part(layout=_layout([TextDisplay(say("card_gone"))], Colour.light_grey()))


def notice_part(run: Run, title: str, place: Place | None) -> Part:
    """The reason of a rejection or a block, for the requester alone; `place` where its names are known."""
    reason = str(run.failure_params.get("reason") or "")
    url = channel_url(run.guild_id, run.channel_id)
    lines = [
        say("block_notice" if run.failure_code == BARRED else "rejection_notice", title=quoted(title, 80))
    ]
    if run.prompt:
        lines.append(f"> {quoted(run.prompt, PROMPT_SHOWN)}")
    if reason:
        lines.append(say("rejection_reason", reason=quoted(reason, 900)))
    # A channel's mention says nothing in direct messages to whoever can't see the channel.
    if place is not None:
        lines.append(
            say("notice_place", channel=quoted(place.channel, 100), server=quoted(place.server, 100), url=url)
        )
    else:
        lines.append(say("notice_link", url=url))
    return Part(layout=_layout([TextDisplay(line) for line in lines], Colour.red()))


def _about(run: Run, title: str, inputs: ShownInputs, heading: str) -> str:
    who = [
        say("card_who", person=run.requester_id),
        say("card_account", at=int(snowflake_time(run.requester_id).timestamp())),
    ]
    if run.requester_joined_at is not None:
        who.append(say("card_joined", at=int(run.requester_joined_at.timestamp())))
    lines = [say(heading, title=quoted(title, 80)), " · ".join(who), *_values(inputs.values)]
    facts = [say("card_place", channel=run.channel_id), _cost(run)]
    if run.gpu:
        facts.insert(0, say("gpu", gpu=quoted(run.gpu, 32)))
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
    return [f"**{quoted(name, 40)}** {quoted(value, length or len(value) + 1)}" for name, value in values]


def _button(run: Run, action: Action, label: str, style: ButtonStyle) -> Button[LayoutView]:
    return Button(label=say(label), style=style, custom_id=custom_id(run.key, action))


def _layout(items: Sequence[Item[LayoutView]], colour: Colour) -> LayoutView:
    layout = LayoutView(timeout=None)
    layout.add_item(Container(*items, accent_colour=colour))
    return layout
