"""Messages about moderation: review cards, reports, and notices to requesters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from discord import Colour
from discord.ui import Button, File, Item
from discord.utils import format_dt, snowflake_time

from bot.deployments.model import ShownInputs
from bot.discord_api.outgoing import OutgoingMessage
from bot.domain.files import GALLERY, INLINE_TEXT, PreparedFile, PreparedOutputs
from bot.domain.messages import Purpose
from bot.domain.moderation import NOTE_LENGTH, AuditEntry, Report
from bot.domain.picture_check import labels_of
from bot.domain.runs import REQUESTER_BLOCKED, Run, RunState
from bot.domain.text import channel_url, escape_line, sentence_case
from bot.sentences import say
from bot.ui.custom_ids import Action
from bot.ui.message_parts import (
    LAYOUT_TEXT,
    chunks,
    fitting,
    framed,
    gallery_of,
    layout_of,
    lines,
    run_button,
    subtext,
)
from bot.ui.run_facts import batch_title, block_end, explanation_of, input_lines, prompt_line, reason_of

_VALUE_LENGTH = 400
_VALUES_LENGTH = 2500
_MAX_REPORTS = 3
# How the names of files on a report's card begin.
REPORTED = "report-"
# The decisions that each card offers, and no other message.
DECISIONS = {
    Purpose.REVIEW: (Action.APPROVE, Action.REJECT, Action.BLOCK),
    Purpose.REPORT: (Action.CLEAR, Action.BLOCK, Action.DISMISS),
    Purpose.PICTURES: (Action.SHOW, Action.VEIL, Action.HIDE, Action.BLOCK),
}


def review_card(run: Run, title: str, inputs: ShownInputs, prepared: PreparedOutputs) -> OutgoingMessage:
    """Build the card that asks for a decision: requester, inputs, files and cost.

    Moderators must be able to read everything that they approve. If a value is shortened or a file is left
    out, the card therefore has a Details button.
    """
    text = _card_about(run, title, inputs, "New request")
    row = [run_button(run, each) for each in DECISIONS[Purpose.REVIEW]]
    if any(line not in text for line in input_lines(inputs, None)) or len(chunks(prepared.files)) > 1:
        row.append(run_button(run, Action.DETAILS))
    return _card(Colour.gold(), text, prepared, row, spoiler=run.spoiler)


def _card(
    colour: Colour, about: str, prepared: PreparedOutputs, row: list[Button[Any]], *, spoiler: bool
) -> OutgoingMessage:
    """Build a card with as many files, texts and remarks as fit into one message."""
    files = tuple(next(iter(chunks(prepared.files)), ()))
    texts = [f"||{escape_line(text, INLINE_TEXT)}||" for text in prepared.texts]
    # One component takes them all, because a layout has at most 40.
    made = lines(*fitting(texts, LAYOUT_TEXT - len(about))[0])
    left_out = len(prepared.files) - len(files)
    remarks = [*([say("media_more", count=left_out)] if left_out else []), *prepared.remarks]
    notes = lines(*fitting(remarks, LAYOUT_TEXT - len(about) - len(made))[0])
    layout = framed(colour, about, *_media(files, spoiler=spoiler), made, notes, row)
    return OutgoingMessage(layout=layout, files=files)


def _media(files: Sequence[PreparedFile], *, spoiler: bool) -> list[Item[Any]]:
    """Show pictures and videos in a gallery, other files as downloads. All are attached to the message."""
    others = [file for file in files if file.kind not in GALLERY]
    gallery = gallery_of([file for file in files if file.kind in GALLERY], spoiler=spoiler)
    return [*gallery, *(File(f"attachment://{file.filename}", spoiler=spoiler) for file in others)]


def decided_card(
    run: Run, title: str, inputs: ShownInputs, files: Sequence[PreparedFile], link: str | None
) -> OutgoingMessage:
    """Build the card of a request that no longer awaits approval: who decided, or why nobody did."""
    at = format_dt(run.decided_at, "R") if run.decided_at is not None else ""
    by, colour = f"<@{run.decided_by or 0}>", Colour.light_grey()
    if run.state is RunState.REJECTED:
        decision, colour = f"Rejected by {by} {at}", Colour.red()
        if run.failure_code == REQUESTER_BLOCKED:
            blocked = f"{by} blocked <@{run.requester_id}> {at}, {block_end(run, 'them')}."
            decision = f"{blocked}\nThe block ended all their waiting requests."
    elif run.decided_at is not None:
        decision, colour = f"Approved by {by} {at}", Colour.green()
    else:
        undecided = {
            RunState.EXPIRED: "Nobody decided in time.",
            RunState.CANCELLED: "The requester cancelled it.",
            RunState.REFUSED: f"It couldn't start and has ended. The requester reads: {reason_of(run)}",
        }
        decision = undecided.get(run.state, say("review_over"))
    reason = run.failure_params.get("reason") if run.state is RunState.REJECTED else None
    text = lines(
        _card_about(run, title, inputs, "Request"),
        decision,
        f"> {escape_line(str(reason), _VALUE_LENGTH)}" if reason else "",
        f"[Open the result]({link})" if link is not None else "",
    )
    return OutgoingMessage(layout=framed(colour, text, *_media(files, spoiler=run.spoiler)))


def report_card(
    run: Run,
    title: str,
    reports: Sequence[Report],
    link: str | None,
    prepared: PreparedOutputs,
    *,
    withheld: bool = False,
) -> OutgoingMessage:
    """Build the card that shows a reported result to moderators, with its files and texts behind spoilers.

    If it is `withheld`, an age restriction hides the files.
    """
    told = [_heading(run, title, "Reported")]
    for report in reports[:_MAX_REPORTS]:
        note = f": “{escape_line(report.note, NOTE_LENGTH)}”" if report.note else ""
        told.append(f"Reported by <@{report.person_id}>, {report.reason.lower()}{note}")
    if len(reports) > _MAX_REPORTS:
        told.append(f"… and {len(reports) - _MAX_REPORTS} more reports, in `/audit`")
    return _spoiler_card(run, Purpose.REPORT, told, prepared, withheld=withheld, link=link)


def pictures_card(
    batch: Sequence[Run], title: str, prepared: PreparedOutputs, *, withheld: bool
) -> list[OutgoingMessage]:
    """Build the card about outputs that wait for a moderator, with files and texts behind spoilers."""
    first = batch[0]
    told = [_heading(first, title, "Waiting for a moderator")]
    for run in (each for each in batch if each.held):
        which = f"Number {run.number}" if len(batch) > 1 else "Reason"
        count = f" ({len(run.held)} of {made})" if (made := len(run.outputs)) > 1 else ""
        told.append(f"{which}: {', '.join(labels_of(run.verdicts, run.held))}{count}")
    # Moderators decide about all of them, so those that don't fit follow in more messages.
    files, *further = chunks(prepared.files) or [()]
    shown = replace(prepared, files=tuple(files))
    card = _spoiler_card(first, Purpose.PICTURES, told, shown, withheld=withheld)
    layouts = ((named, layout_of(*_media(named, spoiler=True))) for named in map(_named, further))
    return [card, *(OutgoingMessage(layout=layout, files=named) for named, layout in layouts)]


def _named(files: Sequence[PreparedFile]) -> tuple[PreparedFile, ...]:
    return tuple(replace(file, filename=f"{REPORTED}{file.filename}") for file in files)


def _spoiler_card(
    run: Run,
    purpose: Purpose,
    told: Sequence[str],
    prepared: PreparedOutputs,
    *,
    withheld: bool,
    link: str | None = None,
) -> OutgoingMessage:
    """Build a card whose files get names that differ from the result's, because a search recognizes the
    result's messages by their file names.
    """
    about = lines(
        *told,
        "It is age-restricted, so it is not shown here." if withheld else "",
        f"[Open it]({link})" if link else "",
        # Last, because some clients extend a quote to the end of the text.
        f"> {escape_line(run.prompt, _VALUE_LENGTH)}" if run.prompt else "",
    )
    colour = Colour.orange() if purpose is Purpose.REPORT else Colour.gold()
    row = [run_button(run, each) for each in DECISIONS[purpose]]
    return _card(colour, about, replace(prepared, files=_named(prepared.files)), row, spoiler=True)


def decision_text(decided: AuditEntry | None) -> str:
    """Return what was decided about held outputs, by whom and when. None means that they were deleted."""
    if decided is None:
        return say("report_gone")
    by = f" by <@{decided.actor_id}>" if decided.actor_id is not None else ""
    return f"{sentence_case(str(decided.details['decision']))}{by} {format_dt(decided.at, 'R')}"


def closed_card(run: Run, title: str, about: str, decision: str) -> OutgoingMessage:
    """Build the card of a report, or about held outputs, after a decision."""
    return OutgoingMessage(layout=framed(Colour.light_grey(), lines(_heading(run, title, about), decision)))


def _heading(run: Run, title: str, about: str) -> str:
    return f"### {about}: **{batch_title(title, run.count)}**\nMade by <@{run.requester_id}>"


def turned_away_letter(run: Run, title: str) -> OutgoingMessage:
    """Build the direct message about a request that was rejected, or that a block has ended."""
    told = [
        f"Your request for **{batch_title(title, run.count)}** wasn't started.",
        explanation_of(run),
        prompt_line(run, only_requester=True),
        # In direct messages a channel mention is unreadable for those who can't see the channel.
        f"-# [Open the channel]({channel_url(run.guild_id, run.channel_id)})",
    ]
    return OutgoingMessage(layout=framed(Colour.red(), *told, [run_button(run, Action.DISCARD)]))


def _card_about(run: Run, title: str, inputs: ShownInputs, heading: str) -> str:
    created = format_dt(snowflake_time(run.requester_id), "R")
    requester = [f"<@{run.requester_id}>", f"account created {created}"]
    if run.requester_joined_at is not None:
        requester.append(f"joined {format_dt(run.requester_joined_at, 'R')}")
    seconds = round(run.reserved_seconds * run.weight * run.count)
    runs = f"{run.count} runs" if run.count > 1 else "1 run"
    facts = [f"for <#{run.channel_id}>", f"counts as {runs} and about {seconds} GPU seconds"]
    if run.private:
        facts.append("private")
    if run.gpu:
        facts.insert(0, say("gpu", gpu=escape_line(run.gpu, 32)))
    return lines(
        f"### {heading}: **{batch_title(title, run.count)}**",
        " · ".join(requester),
        *fitting(input_lines(inputs, _VALUE_LENGTH), _VALUES_LENGTH)[0],
        subtext(facts),
    )
