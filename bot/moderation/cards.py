"""What moderators see of a request or a result: Run -> part. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from discord import ButtonStyle, Colour, MediaGalleryItem
from discord.ui import ActionRow, Button, Container, File, Item, LayoutView, MediaGallery, TextDisplay
from discord.utils import snowflake_time

from bot.buttons import Action, custom_id
from bot.deployments.shown import ShownInputs
from bot.messages import LAYOUT_TEXT
from bot.parts import GALLERY, Part, Prepared, PreparedFile
from bot.runs import Run, RunState
from bot.text import quoted
from bot.words import say

_VALUE = 400
_ALL_VALUES = 3000
_FILES = 10

_DECIDED = {
    RunState.REJECTED: ("card_rejected", Colour.red()),
    RunState.EXPIRED: ("card_expired", Colour.light_grey()),
    RunState.CANCELLED: ("card_cancelled", Colour.light_grey()),
}
_APPROVED = ("card_approved", Colour.green())
_OVER = ("review_over", Colour.light_grey())


def review_part(run: Run, title: str, inputs: ShownInputs, prepared: Prepared) -> Part:
    """The card that asks for a decision: who, what, all inputs, what it costs."""
    files = prepared.files[:_FILES]
    about = _about(run, title, inputs, "card_heading")
    items: list[Item[LayoutView]] = [TextDisplay(about), *_shown(files)]
    notes = [*prepared.notes]
    if len(prepared.files) > _FILES:
        notes.insert(0, say("media_more", count=len(prepared.files) - _FILES))
    while notes and sum(map(len, (about, *notes))) + len(notes) > LAYOUT_TEXT:
        notes.pop()
    if notes:
        items.append(TextDisplay("\n".join(notes)))
    items.append(
        ActionRow(
            _button(run, Action.APPROVE, "button_approve", ButtonStyle.success),
            _button(run, Action.REJECT, "button_reject", ButtonStyle.danger),
            _button(run, Action.BLOCK, "button_block", ButtonStyle.secondary),
        )
    )
    return Part(layout=_layout(items, Colour.gold()), files=files)


def _shown(files: Sequence[PreparedFile]) -> list[Item[LayoutView]]:
    """Pictures and videos to look at, anything else to download; all of it kept as our own copies."""
    gallery = [MediaGalleryItem(f"attachment://{f.filename}") for f in files if f.kind in GALLERY]
    others = [File[LayoutView](f"attachment://{f.filename}") for f in files if f.kind not in GALLERY]
    return [*([MediaGallery[LayoutView](*gallery)] if gallery else []), *others]


def decided_part(run: Run, title: str, inputs: ShownInputs) -> Part:
    """The card afterwards: who decided what and when, no buttons."""
    approved = run.decided_at is not None and run.state is not RunState.REJECTED
    code, colour = _APPROVED if approved else _DECIDED.get(run.state, _OVER)
    at = int(run.decided_at.timestamp()) if run.decided_at else 0
    verdict = say(code, person=run.decided_by or 0, at=at)
    reason = run.failure_params.get("reason") if run.state is RunState.REJECTED else None
    lines = [_about(run, title, inputs, "card_heading_over"), verdict]
    if reason:
        lines.append(f"> {quoted(str(reason), _VALUE)}")
    return Part(layout=_layout([TextDisplay("\n".join(lines))], colour))


def report_part(run: Run, title: str, link: str | None) -> Part:
    """A reported result, for the moderators."""
    lines = [say("report_heading", title=quoted(title, 80)), say("report_made_by", person=run.requester_id)]
    if run.prompt:
        lines.append(f"> {quoted(run.prompt, _VALUE)}")
    if link:
        lines.append(say("report_link", url=link))
    row: ActionRow[LayoutView] = ActionRow(
        _button(run, Action.DELETE, "button_delete", ButtonStyle.danger),
        _button(run, Action.BLOCK, "button_block", ButtonStyle.secondary),
        _button(run, Action.DISMISS, "button_dismiss", ButtonStyle.secondary),
    )
    return Part(layout=_layout([TextDisplay("\n".join(lines)), row], Colour.orange()))


def closed_report_part(run: Run, title: str, verdict: str) -> Part:
    """The report once somebody has dealt with it."""
    lines = [
        say("report_heading", title=quoted(title, 80)),
        say("report_made_by", person=run.requester_id),
        verdict,
    ]
    return Part(layout=_layout([TextDisplay("\n".join(lines))], Colour.light_grey()))


def notice_part(run: Run, title: str) -> Part:
    """The reason of a rejection, for the requester alone."""
    reason = str(run.failure_params.get("reason") or "")
    lines = [say("rejection_notice", title=quoted(title, 80), channel=run.channel_id)]
    if reason:
        lines.append(say("rejection_reason", reason=quoted(reason, 900)))
    return Part(layout=_layout([TextDisplay("\n".join(lines))], Colour.red()))


def _about(run: Run, title: str, inputs: ShownInputs, heading: str) -> str:
    who = [
        say("card_who", person=run.requester_id),
        say("card_account", at=int(snowflake_time(run.requester_id).timestamp())),
    ]
    if run.requester_joined_at is not None:
        who.append(say("card_joined", at=int(run.requester_joined_at.timestamp())))
    lines = [say(heading, title=quoted(title, 80)), " · ".join(who), *_values(inputs.values)]
    facts = [say("card_place", channel=run.channel_id), say("card_cost", seconds=round(run.reserved_seconds))]
    if run.gpu:
        facts.insert(0, say("gpu", gpu=quoted(run.gpu, 32)))
    return "\n".join([*lines, f"-# {' · '.join(facts)}"])


def _values(values: Sequence[tuple[str, str]]) -> list[str]:
    """Every input; where all of them are too long for a message, each a little shorter."""
    length = _VALUE
    while True:
        lines = [f"**{quoted(name, 40)}** {quoted(value, length)}" for name, value in values]
        while length < 20 and sum(map(len, lines)) + len(lines) > _ALL_VALUES:
            lines.pop()
        if sum(map(len, lines)) + len(lines) <= _ALL_VALUES:
            return lines
        length //= 2


def _button(run: Run, action: Action, label: str, style: ButtonStyle) -> Button[LayoutView]:
    return Button(label=say(label), style=style, custom_id=custom_id(run.key, action))


def _layout(items: Sequence[Item[LayoutView]], colour: Colour) -> LayoutView:
    layout = LayoutView(timeout=None)
    layout.add_item(Container(*items, accent_colour=colour))
    return layout
