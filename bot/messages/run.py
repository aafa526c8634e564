"""What a person sees of a run: Run -> parts. Pure; every sentence comes from `bot.strings`."""

from __future__ import annotations

from collections.abc import Sequence

from discord import Colour
from discord.ui import ActionRow, Container, Item, LayoutView, TextDisplay

from bot.domain.runs import Run, RunState
from bot.domain.text import quoted
from bot.messages.blocks import (
    CONTENT_TEXT,
    FILES_A_MESSAGE,
    LAYOUT_TEXT,
    chunks,
    facts_of,
    fitting,
    gallery_of,
    gallery_only,
    layout_of,
    note_parts,
    phase,
    prompt_line,
    run_button,
    small,
    text_blocks,
    texts,
    view_of,
)
from bot.messages.buttons import Action
from bot.messages.onward import Onward, result_rows, ways_on
from bot.messages.parts import GALLERY, FileKind, Part, Prepared, PreparedFile
from bot.strings import say

_BAR = 12
_NOWHERE = Onward()

COLOURS = {
    RunState.SUCCEEDED: Colour.green(),
    RunState.FAILED: Colour.red(),
    RunState.REFUSED: Colour.red(),
    RunState.REJECTED: Colour.red(),
    RunState.CANCELLED: Colour.light_grey(),
    RunState.EXPIRED: Colour.light_grey(),
    RunState.TIMED_OUT: Colour.orange(),
    RunState.UNCONFIRMED: Colour.orange(),
}


def status_part(run: Run, title: str) -> Part:
    """The answer to the command while the run is on its way: phase, progress, how long, Cancel."""
    above = [f"### {say(heading_of(run))}: {quoted(title, 80)}", prompt_line(run)]
    below = [
        _progress_line(run),
        note_of(run),
        say("waits_for_approval") if run.state is RunState.AWAITING_APPROVAL else "",
        small([say("since", at=int(run.created_at.timestamp())), *facts_of(run)]),
    ]
    items: list[Item[LayoutView]] = [*texts(above, below)]
    if run.cancel_requested_at is None and run.note != "not_cancellable":
        items.append(ActionRow(run_button(run, Action.CANCEL, "button_cancel")))
    return Part(layout=layout_of(Container(*items, accent_colour=Colour.blurple())))


def note_of(run: Run) -> str:
    """What the status adds; where only the interaction reaches, from the beginning how long that lasts."""
    return say(run.note or "answer_lives") if run.note or run.user_install else ""


def outcome_parts(run: Run, title: str, prepared: Prepared, onward: Onward = _NOWHERE) -> list[Part]:
    """The messages that end a run, the first of them pinging the requester."""
    if run.state is RunState.SUCCEEDED:
        return _result_parts(run, title, prepared, onward)
    return [_ending(run, title, prepared.notes)]


def withheld_part(run: Run, *, postable: bool) -> Part:
    """Instead of an age-restricted result; `postable`: where it could still stand, once that is marked."""
    heading = f"{say('mention', user=run.requester_id)} **{say('withheld_heading')}**"
    buttons = [run_button(run, Action.DETAILS, "button_details")]
    if postable:
        buttons.insert(0, run_button(run, Action.POST, "button_post"))
    container = Container(
        *texts([heading, prompt_line(run)], [say("withheld")]),
        ActionRow(*buttons),
        accent_colour=COLOURS[RunState.SUCCEEDED],
    )
    return Part(layout=layout_of(container), mention=run.requester_id)


def _ending(run: Run, title: str, notes: Sequence[str]) -> Part:
    """Anything but a result: what happened, what to do."""
    asked_for = run.failure_code == "cancelled_by_requester"
    mention = None if asked_for else run.requester_id
    said = f"{say(phase(run.state))}: {quoted(title, 80)}"
    heading = f"{say('mention', user=mention)} **{said}**" if mention else f"### {said}"
    container = Container(
        *texts([heading, prompt_line(run)], [reason(run), *notes, small(facts_of(run) + charge(run))]),
        ActionRow(*ways_on(run)),
        accent_colour=COLOURS[run.state],
    )
    return Part(layout=layout_of(container), mention=mention)


def was_free(run: Run) -> bool:
    """Whether it is known to have cost nothing: it never ran."""
    unknown = run.state in (RunState.UNCONFIRMED, RunState.TIMED_OUT)
    return not unknown and run.started_at is None and run.run_duration is None


def charge(run: Run) -> list[str]:
    """Whether anything was charged, as far as that is known."""
    if was_free(run):
        return [say("charged_nothing")]
    return [say("charged_time")] if run.run_duration is not None else []


def reason(run: Run) -> str:
    """Why a run ended as it did, in words."""
    code = run.failure_code or "internal"
    if code == "comfy_invalid" and not run.failure_params.get("fields"):
        code = "comfy_invalid_unnamed"
    params = {
        name: quoted(value, 100) if isinstance(value, str) else value
        for name, value in run.failure_params.items()
    }
    return say(code, **params)


def reason_charged(run: Run) -> str:
    """`reason`, and whether anything was charged, as far as that is known."""
    if was_free(run):
        return say("failed_free", reason=reason(run))
    return reason(run) if run.run_duration is None else say("failed_charged", reason=reason(run))


def _result_parts(run: Run, title: str, prepared: Prepared, onward: Onward) -> list[Part]:
    gallery = [file for file in prepared.files if file.kind in GALLERY]
    others = [file for file in prepared.files if file.kind not in GALLERY]
    parts = []
    # An answer that began as a layout can't become a classic message.
    if gallery or prepared.texts or not others or run.user_install:
        first_part, unsaid = _result_layout(run, title, gallery[:FILES_A_MESSAGE], prepared, onward)
        parts.append(first_part)
        parts += [gallery_only(run, chunk) for chunk in chunks(gallery[FILES_A_MESSAGE:])]
        parts += [Part(files=tuple(chunk)) for chunk in chunks(others)]
    else:
        first, *rest = chunks(others)
        first_part, unsaid = _result_classic(run, title, first, prepared, onward)
        parts.append(first_part)
        parts += [Part(files=tuple(chunk)) for chunk in rest]
    return [*parts, *note_parts(unsaid)]


def _result_layout(
    run: Run, title: str, files: Sequence[PreparedFile], prepared: Prepared, onward: Onward
) -> tuple[Part, Sequence[str]]:
    """Pictures and videos in a gallery, short texts quoted; and the notes that found no room."""
    heading, facts = _result_heading(run, title), small(facts_of(run))
    blocks = text_blocks(prepared.texts, spoiler=run.spoiler)
    empty = not (prepared.files or prepared.texts or prepared.notes)
    room = LAYOUT_TEXT - sum(map(len, (heading, facts, *blocks))) - 1
    notes, unsaid = fitting([say("no_outputs")] if empty else prepared.notes, room)
    items: list[Item[LayoutView]] = [TextDisplay(heading)]
    if files:
        items.append(gallery_of(run, files))
    items += texts(*([block] for block in blocks), [*notes, facts])
    picture = any(file.kind is FileKind.IMAGE for file in files)
    items += [ActionRow[LayoutView](*row) for row in result_rows(run, onward, picture=picture)]
    colour = COLOURS[RunState.TIMED_OUT if empty else RunState.SUCCEEDED]
    layout = layout_of(Container(*items, accent_colour=colour))
    return Part(layout=layout, files=tuple(files), mention=run.requester_id), unsaid


def _result_classic(
    run: Run, title: str, files: Sequence[PreparedFile], prepared: Prepared, onward: Onward
) -> tuple[Part, Sequence[str]]:
    """Audio and other files: components v2 has no player and no preview for them."""
    heading, facts = _result_heading(run, title), small(facts_of(run))
    notes, unsaid = fitting(prepared.notes, CONTENT_TEXT - len(heading) - len(facts) - 2)
    view = view_of(result_rows(run, onward, picture=False))
    content = "\n".join(line for line in (heading, *notes, facts) if line)
    return Part(content=content, view=view, files=tuple(files), mention=run.requester_id), unsaid


def _result_heading(run: Run, title: str) -> str:
    lines = [f"{say('mention', user=run.requester_id)} **{quoted(title, 80)}**", prompt_line(run)]
    return "\n".join(line for line in lines if line)


def heading_of(run: Run) -> str:
    """A run that nothing holds up is not told to be waiting in the moment before its queue call."""
    if run.cancel_requested_at:
        return "title_cancelling"
    unhindered = run.state is RunState.WAITING and run.queue_position is None
    return "title_submitting" if unhindered else phase(run.state)


def _progress_line(run: Run) -> str:
    position = position_line(run, "_alone")
    if position or run.progress is None or run.state not in (RunState.RUNNING, RunState.UPLOADING):
        return position
    phase = f" · {quoted(run.live_status, 60)}" if run.live_status else ""
    return f"{bar(run.progress)} {run.progress:.0%}{phase}"


def position_line(run: Run, form: str = "") -> str:
    """Its place in whichever queue it waits in; `form` "_alone" for a line of its own."""
    if run.queue_position is None or run.state not in (RunState.WAITING, RunState.QUEUED):
        return ""
    # ComfyDeploy counts from 0, our own queue from 1.
    ahead = run.queue_position + (1 if run.state is RunState.QUEUED else 0)
    return say(f"next_in_queue{form}") if ahead <= 1 else say(f"position{form}", position=ahead)


def bar(share: float) -> str:
    """A share of the whole, drawn."""
    done = round(min(max(share, 0), 1) * _BAR)
    return f"{'▰' * done}{'▱' * (_BAR - done)}"
