"""Lists of runs, as a person sees them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from discord import ButtonStyle, SelectOption
from discord.ui import ActionRow, Button, LayoutView, Select, TextDisplay

from bot.domain.records import QUEUE_SHOWN
from bot.domain.runs import Entry, HistoryPage, PagePlace, Run, RunFilter, RunState, Step
from bot.domain.text import channel_url, jump_url, quoted, shorten, visible
from bot.messages.blocks import phase
from bot.messages.list_ids import Control, runs_id
from bot.messages.pages import page_layout
from bot.strings import say

QUEUE_PATTERN = re.compile(r"queue:(?P<page>\d{1,4})")
# With every character escaped, ten lines stay below the 4,000 of a layout.
_TITLE = 40
_PROMPT = 60
_LABEL = 100


def runs_layout(
    page: HistoryPage, place: PagePlace, title: Callable[[str], str], *, here: int | None
) -> LayoutView:
    """A page of one's own runs, newest first, with what can be done about them.

    `here` is the server it is shown on: what was kept is posted only on its own.
    """
    layout = LayoutView(timeout=None)
    entries = page.entries
    lines = [_line(number, entry, title, here) for number, entry in enumerate(entries, 1)]
    heading = say("runs_heading")
    if place.wanted is not RunFilter.ALL:
        heading = f"{heading}: {say(f'runs_filter_{place.wanted}')}"
    nothing = say("runs_none" if place.wanted is RunFilter.ALL else "runs_none_such")
    layout.add_item(TextDisplay("\n".join([heading, *(lines or [nothing])])))
    open_runs = [
        (number, entry) for number, entry in enumerate(entries, 1) if any(map(cancellable, entry.all))
    ]
    kept = [
        (number, entry)
        for number, entry in enumerate(entries, 1)
        if entry.kept and entry.run.guild_id == here
    ]
    for control, found in ((Control.CANCEL, open_runs), (Control.POST, kept)):
        if found:
            layout.add_item(ActionRow(_select(control, place, found, title)))
    if page.older or page.newer:
        layout.add_item(
            ActionRow(
                _turn("record_newer", PagePlace(place.wanted, Step.NEWER, page.newer)),
                _turn("record_older", PagePlace(place.wanted, Step.OLDER, page.older)),
            )
        )
    return layout


def posting_layout() -> LayoutView:
    """Becomes the result, where a message of ours can only be edited; so it is a layout from the start."""
    layout = LayoutView(timeout=None)
    layout.add_item(TextDisplay(say("post_noted")))
    layout.stop()
    return layout


def cancellable(run: Run) -> bool:
    """Whether asking to cancel could still change something."""
    return not run.final and run.cancel_requested_at is None and run.note != "not_cancellable"


def queue_layout(
    found: Sequence[Run], page: int, *, more: bool, viewer_id: int, title: Callable[[str], str]
) -> LayoutView:
    """What a server has running and waiting; of others' requests not what they asked for."""
    lines = [
        _queue_line(number, run, viewer_id, title) for number, run in enumerate(found, page * QUEUE_SHOWN + 1)
    ]
    return page_layout("queue", lines, page, more=more)


def run_label(run: Run, title: Callable[[str], str]) -> str:
    """A run in a menu or a suggestion: plain text, at most 100 characters."""
    name = shorten(visible(title(run.deployment)), _TITLE)
    return shorten(f"{name}: {visible(run.prompt)}" if run.prompt else name, _LABEL)


def _line(number: int, entry: Entry, title: Callable[[str], str], here: int | None) -> str:
    run = entry.run
    line = say(
        "runs_line",
        state=_states(entry.all),
        title=quoted(title(run.deployment), _TITLE),
        at=int(run.created_at.timestamp()),
        link=_link(entry, here),
    )
    return f"{number}. {line}{_prompt(run)}"


def _link(entry: Entry, here: int | None) -> str:
    run = entry.run
    if entry.kept and run.guild_id == here:
        return say("runs_kept")
    if entry.kept and run.guild_id is None:
        return say("runs_kept_outside")
    if entry.kept:
        return say("runs_kept_elsewhere", url=channel_url(run.guild_id, run.channel_id))
    if run.user_install:
        return ""  # whether it is on a server, and on which, is not kept
    if entry.place is not None:
        # A message in another channel than the run's went to the requester directly.
        guild_id = run.guild_id if entry.place[0] == run.channel_id else None
        return say("runs_link", url=jump_url(guild_id, *entry.place))
    if run.status_message_id is not None and not all(each.final for each in entry.all):
        return say("runs_link", url=jump_url(run.guild_id, run.channel_id, run.status_message_id))
    return ""


def _states(together: Sequence[Run]) -> str:
    """One for all of them; of several also how many there are, or how many are done."""
    leading = next((run for run in together if not run.final), together[0])
    if len(together) == 1:
        return _state(leading)
    done = sum(run.state is RunState.SUCCEEDED for run in together)
    if done and leading.final:
        leading = next(run for run in together if run.state is RunState.SUCCEEDED)
    code = "runs_several_done" if done else "runs_several"
    return say(code, state=_state(leading), done=done, count=len(together))


def _state(run: Run) -> str:
    if not run.final and run.cancel_requested_at is not None:
        return say("title_cancelling")
    return say(phase(run.state))


def _prompt(run: Run) -> str:
    return f"\n-# {quoted(run.prompt, _PROMPT)}" if run.prompt else ""


def _queue_line(number: int, run: Run, viewer_id: int, title: Callable[[str], str]) -> str:
    line = say(
        "queue_line",
        state=_state(run),
        title=_of_several(quoted(title(run.deployment), _TITLE), run),
        person=run.requester_id,
        at=int(run.created_at.timestamp()),
        position=_position(run),
    )
    return f"{number}. {line}{_prompt(run) if run.requester_id == viewer_id else ''}"


def _of_several(title: str, run: Run) -> str:
    if run.batch_size == 1:
        return title
    return say("queue_of_several", title=title, number=run.batch_index + 1, count=run.batch_size)


def _position(run: Run) -> str:
    if run.queue_position is None or run.state not in (RunState.WAITING, RunState.QUEUED):
        return ""
    # ComfyDeploy counts from 0, our own queue from 1.
    ahead = run.queue_position + (1 if run.state is RunState.QUEUED else 0)
    return " · " + (say("next_in_queue") if ahead <= 1 else say("position", position=ahead))


def _select(
    control: Control,
    place: PagePlace,
    found: Sequence[tuple[int, Entry]],
    title: Callable[[str], str],
) -> Select[Any]:
    return Select(
        custom_id=runs_id(control, place),
        placeholder=say(f"runs_{control}_choose"),
        options=[
            SelectOption(
                label=shorten(f"{number}. {run_label(entry.run, title)}", _LABEL), value=entry.run.key
            )
            for number, entry in found
        ],
    )


def _turn(label: str, to: PagePlace) -> Button[LayoutView]:
    return Button(
        label=say(label),
        style=ButtonStyle.secondary,
        custom_id=runs_id(Control.PAGE, to),
        disabled=to.cursor is None,
    )
