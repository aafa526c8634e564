"""The status message of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from discord import Colour
from discord.ui import ActionRow, Container, Item, LayoutView

from bot.domain.runs import Run, RunState
from bot.domain.text import escape_line
from bot.strings import say
from bot.ui.components import (
    OutgoingMessage,
    facts_of,
    layout_of,
    phase,
    prompt_line,
    run_button,
    subtext,
    texts,
)
from bot.ui.custom_ids import Action

# How far each state is on its way.
_ORDER = (
    RunState.AWAITING_APPROVAL,
    RunState.WAITING,
    RunState.SUBMITTING,
    RunState.QUEUED,
    RunState.UPLOADING,
    RunState.RUNNING,
)


def batch_status_message(batch: Sequence[Run], title: str) -> OutgoingMessage:
    """While one of them is on its way: how far they are as a whole."""
    lead, going_on = batch[0], [run for run in batch if not run.final]
    furthest = max(going_on, key=lambda run: _ORDER.index(run.state))
    cancelling = all(run.cancel_requested_at for run in going_on)
    phase = "title_cancelling" if cancelling else heading_of(replace(furthest, cancel_requested_at=None))
    noted = next((run for run in (lead, *going_on) if run.note), lead)
    in_common = replace(lead, seed=None, run_duration=None)
    facts = [say("since", at=int(lead.created_at.timestamp())), *facts_of(in_common)]
    below = [
        _done_line(batch, going_on),
        _waiting_line(going_on),
        note_of(noted),
        say("waits_for_approval") if lead.state is RunState.AWAITING_APPROVAL else "",
        subtext(facts),
    ]
    above = [f"### {say(phase)}: {_titled(lead, title)}", prompt_line(lead)]
    items: list[Item[LayoutView]] = [*texts(above, below)]
    if any(run.cancel_requested_at is None and run.note != "not_cancellable" for run in going_on):
        items.append(ActionRow(run_button(lead, Action.CANCEL, "button_cancel")))
    return OutgoingMessage(layout=layout_of(Container(*items, accent_colour=Colour.blurple())))


def _titled(lead: Run, title: str) -> str:
    return say("several_title", title=escape_line(title, 80), count=lead.batch_size)


def _done_line(batch: Sequence[Run], going_on: Sequence[Run]) -> str:
    ended = [run for run in batch if run.final]
    if not ended and not any(run.progress for run in going_on):
        return ""
    share = (len(ended) + sum(run.progress or 0 for run in going_on)) / len(batch)
    failed = sum(run.state is not RunState.SUCCEEDED for run in ended)
    code = "several_done_failed" if failed else "several_done"
    return f"{bar(share)} {say(code, done=len(ended) - failed, count=len(batch), failed=failed)}"


def _waiting_line(going_on: Sequence[Run]) -> str:
    """How many have a place in a queue, and the place of the first of them."""
    places = [place for run in going_on if (place := position_line(run))]
    return say("several_waiting", count=len(places), place=places[0]) if places else ""


_BAR = 12


def status_message(run: Run, title: str) -> OutgoingMessage:
    """The answer to the command while the run is on its way: phase, progress, how long, Cancel."""
    above = [f"### {say(heading_of(run))}: {escape_line(title, 80)}", prompt_line(run)]
    below = [
        _progress_line(run),
        note_of(run),
        say("waits_for_approval") if run.state is RunState.AWAITING_APPROVAL else "",
        subtext([say("since", at=int(run.created_at.timestamp())), *facts_of(run)]),
    ]
    items: list[Item[LayoutView]] = [*texts(above, below)]
    if run.cancel_requested_at is None and run.note != "not_cancellable":
        items.append(ActionRow(run_button(run, Action.CANCEL, "button_cancel")))
    return OutgoingMessage(layout=layout_of(Container(*items, accent_colour=Colour.blurple())))


def note_of(run: Run) -> str:
    """What the status adds; where only the interaction reaches, from the beginning how long that lasts."""
    return say(run.note or "answer_lives") if run.note or run.user_install else ""


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
    phase = f" · {escape_line(run.live_status, 60)}" if run.live_status else ""
    return f"{bar(run.progress)} {run.progress:.0%}{phase}"


def position_line(run: Run, form: str = "") -> str:
    """Its place in whichever queue it waits in; `form` "_alone" for a line of its own."""
    if run.queue_position is None or run.state not in (RunState.WAITING, RunState.QUEUED):
        return ""
    position = run.queue_position
    return say(f"next_in_queue{form}") if position == 1 else say(f"position{form}", position=position)


def bar(share: float) -> str:
    """A share of the whole, drawn."""
    done = round(min(max(share, 0), 1) * _BAR)
    return f"{'▰' * done}{'▱' * (_BAR - done)}"
