"""The lists of `/runs` and `/queue`, and `/usage`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from math import inf
from typing import Any

from discord import SelectOption
from discord.ui import ActionRow, LayoutView, Section, Select, TextDisplay, Thumbnail
from discord.utils import format_dt

from bot.domain.budgets import Limits, Spending, UsageView
from bot.domain.fair_queue import PLACES
from bot.domain.pages import PAGE_SIZE, Direction, HistoryPage, RunFilter, RunListEntry, RunsPage
from bot.domain.results import is_named_in_queue, shows_prompt_in_queue
from bot.domain.runs import IN_FLIGHT, Run, RunState
from bot.domain.settings.rules_and_defaults import Budget
from bot.domain.text import channel_url, escape_line, message_url, shorten, strip_invisible
from bot.strings import say
from bot.ui.custom_ids import QueueId, RunListAction, RunsId
from bot.ui.lists import BLOCK_REASON_LENGTH, page_layout
from bot.ui.message_parts import bar, layout_of, pager, texts
from bot.ui.run_facts import deletion_facts, ending

# With these lengths, ten lines fit into a layout's 4,000 characters even if every character is escaped.
_RUN_TITLE_LENGTH = 40
_PROMPT = 60
LABEL_LENGTH = 100
_LIMIT_BAR = 10


def runs_layout(
    page: HistoryPage,
    current: RunsPage,
    title: Callable[[str], str],
    *,
    here: int | None,
    pictures: Mapping[str, str],
    restricted: Collection[str] = (),
) -> LayoutView:
    """Build a page of a user's own runs, newest first, with selects to cancel, post or open them.

    `here` is the id of the current server, or None outside servers. Undelivered results can be posted, and
    private ones opened, only in the server that they belong to. `pictures` are links to thumbnails, by the
    key of the entry. `restricted` are the keys of those that may not be shown here.
    """
    heading = "### Your requests"
    if current.run_filter is not RunFilter.ALL:
        heading = f"{heading}: {say(f'runs_filter_{current.run_filter}')}"
    empty = say("runs_none" if current.run_filter is RunFilter.ALL else "runs_none_such")
    numbered = [*enumerate(page.entries, 1)]
    layout = layout_of(TextDisplay(heading if numbered else f"{heading}\n{empty}"))
    for number, entry in numbered:
        key = entry.first.key
        line = f"{number}. {_run_line(entry, title, here, restricted=key in restricted)}"
        if key in pictures:
            thumbnail = Thumbnail[Any](pictures[key], spoiler=entry.first.spoiler)
            layout.add_item(Section(line, accessory=thumbnail))
        else:
            layout.add_item(TextDisplay(line))
    of_here = [each for each in numbered if each[1].first.guild_id == here]
    selects = {
        RunListAction.CANCEL: [each for each in numbered if any(run.is_cancellable for run in each[1].batch)],
        RunListAction.REDELIVER: [each for each in of_here if each[1].undelivered],
        RunListAction.OPEN: [each for each in of_here if each[1].can_be_reopened],
    }
    for action, selectable in selects.items():
        if selectable:
            layout.add_item(ActionRow(_select(action, current, selectable, title)))
    if page.older or page.newer:
        newer = RunsId(RunListAction.PAGE, RunsPage(current.run_filter, Direction.NEWER, page.newer))
        older = RunsId(RunListAction.PAGE, RunsPage(current.run_filter, Direction.OLDER, page.older))
        row = pager(newer, older, is_first=page.newer is None, is_last=page.older is None)
        layout.add_item(ActionRow(*row))
    return layout


def may_have_thumbnail(entry: RunListEntry) -> bool:
    """Return whether a message that the bot can read shows a result of the entry."""
    run = entry.first
    is_ephemeral = run.needs_interaction and entry.message is not None and entry.message[0] == run.channel_id
    return entry.message is not None and any(each.is_shown for each in entry.batch) and not is_ephemeral


def queue_layout(
    batches: Sequence[Sequence[Run]],
    page: int,
    *,
    more: bool,
    viewer_id: int,
    title: Callable[[str], str],
    ends: Mapping[str, datetime],
) -> LayoutView:
    """Build a page, counted from 0, of a server's active and waiting requests.

    `ends` are their expected ends by the key of the request.
    """
    lines = [
        f"{number}. {_queue_line(batch, viewer_id, title, ends.get(batch[0].request_key))}"
        for number, batch in enumerate(batches, page * PAGE_SIZE + 1)
    ]
    heading = "### Running and waiting on this server"
    return page_layout(QueueId, heading, lines or ["Nothing at the moment."], page, more=more)


def run_label(run: Run, title: Callable[[str], str]) -> str:
    """Return a plain-text label of at most 100 characters for selects and autocomplete."""
    name = shorten(strip_invisible(title(run.deployment)), _RUN_TITLE_LENGTH)
    return shorten(f"{name}: {strip_invisible(run.prompt)}" if run.prompt else name, LABEL_LENGTH)


def _run_line(entry: RunListEntry, title: Callable[[str], str], here: int | None, *, restricted: bool) -> str:
    run = entry.first
    facts = [*deletion_facts(entry.deletions), *([say("runs_restricted")] if restricted else [])]
    link = "".join([_link(entry, here), *(f" · {fact}" for fact in facts)])
    name = escape_line(title(run.deployment), _RUN_TITLE_LENGTH)
    return f"{_states(entry.batch)}: **{name}** {format_dt(run.created_at, 'R')}{link}{_prompt(run)}"


def _link(entry: RunListEntry, here: int | None) -> str:
    run = entry.first
    if entry.undelivered and run.guild_id == here:
        return " · couldn't be posted; choose it below to post it here"
    if entry.undelivered and run.guild_id is None:
        return " · couldn't be posted; use `/runs` where you requested it"
    if entry.undelivered:
        return say("runs_undelivered_elsewhere", url=channel_url(run.guild_id, run.channel_id))
    if run.user_install:
        return ""  # the server isn't stored for user installs
    if run.private and (entry.message is None or entry.message[0] == run.channel_id):
        return " · private"  # nothing links to an ephemeral message
    if entry.message is not None:
        # A message in another channel was sent as a direct message.
        guild_id = run.guild_id if entry.message[0] == run.channel_id else None
        return f" · [open]({message_url(guild_id, *entry.message)})"
    if run.status_message_id is not None and not all(each.final for each in entry.batch):
        return f" · [open]({message_url(run.guild_id, run.channel_id, run.status_message_id)})"
    return ""


def _states(batch: Sequence[Run]) -> str:
    """Return a batch's state. For several runs, add the number of runs and, if there are results, how many
    runs have one.
    """
    representative = next((run for run in batch if not run.final), batch[0])
    if len(batch) == 1:
        return _state(representative)
    done = sum(run.has_result for run in batch)
    if done and representative.final:
        representative = next(run for run in batch if run.has_result)
    count = f"{done} of {len(batch)}" if done else f"×{len(batch)}"
    return f"{_state(representative)} ({count})"


def _state(run: Run) -> str:
    if not run.final and run.cancel_requested_at is not None:
        return say("title_cancelling")
    if run.state is RunState.WAITING and run.waiting_code is not None:
        return say("title_held")
    is_queued = run.state in (RunState.WAITING, RunState.QUEUED)
    return say("title_next" if is_queued and run.queue_position == 1 else ending(run))


def _prompt(run: Run) -> str:
    return f"\n-# {escape_line(run.prompt, _PROMPT)}" if run.prompt else ""


def _queue_line(
    batch: Sequence[Run], viewer_id: int, title: Callable[[str], str], end: datetime | None
) -> str:
    """Return the line of a request: its runs that are the furthest decide about the state and the place."""
    run = min((run for run in batch if not run.final), key=_in_order)
    at, position = int(run.created_at.timestamp()), _position(run)
    if end is not None:
        position += f" · should be ready {format_dt(end, 'R')}"
    state = _state(run) if len(batch) == 1 else _states([run, *(each for each in batch if each is not run)])
    if not is_named_in_queue(run, viewer_id):
        return f"{state}: a private request <t:{at}:R>{position}"
    name = escape_line(title(run.deployment), _RUN_TITLE_LENGTH)
    prompt = _prompt(run) if shows_prompt_in_queue(run, viewer_id) else ""
    return f"{state}: **{name}** <@{run.requester_id}> <t:{at}:R>{position}{prompt}"


def _in_order(run: Run) -> tuple[bool, float, int]:
    return run.state not in IN_FLIGHT, run.queue_position or inf, run.index


def _position(run: Run) -> str:
    if run.queue_position is None or run.state not in (RunState.WAITING, RunState.QUEUED):
        return ""
    position = run.queue_position
    if position > PLACES and run.state is RunState.WAITING:
        return f" · behind at least {PLACES} others for its deployment"
    return "" if position == 1 else " · " + say("queue_position", position=position)


def _select(
    action: RunListAction,
    current: RunsPage,
    selectable: Sequence[tuple[int, RunListEntry]],
    title: Callable[[str], str],
) -> Select[Any]:
    return Select(
        custom_id=RunsId(action, current).encode(),
        placeholder=say(f"runs_{action}_choose"),
        options=[
            SelectOption(
                label=shorten(f"{number}. {run_label(entry.first, title)}", LABEL_LENGTH),
                value=entry.first.key,
            )
            for number, entry in selectable
        ],
    )


def usage_layout(view: UsageView) -> LayoutView:
    heading = "### Your usage today" if view.own else f"### Usage of <@{view.user_id}> today"
    person = [heading, *_lines(view.usage.person, view.running.person, view.limits), *_restrictions(view)]
    server: list[str] = []
    if view.server is not None:
        server = ["### The whole server today", *_lines(view.usage.server, view.running.server, view.server)]
    returns = say("usage_returns", until=int(view.usage.day_end.timestamp()))
    return layout_of(*texts(person, server, [returns]))


def _lines(spent: Spending, running: int, limits: Limits | Budget) -> Iterator[str]:
    yield _usage_line("Runs", limits.runs_a_day, spent.runs, ", {} left")
    yield _usage_line("GPU seconds", limits.gpu_seconds_a_day, round(spent.gpu_seconds), ", {} left")
    yield _usage_line("Running", limits.at_once, running, " at once")
    yield _usage_line("Waiting", limits.waiting, spent.waiting)


def _usage_line(name: str, limit: int | None, used: int, after: str = "") -> str:
    """Return a line with a bar, if there is a limit. `after` may have a place for what is left."""
    if limit is None:
        return f"{name}: {used}"
    share = used / limit if limit else 1
    return f"{bar(share, _LIMIT_BAR)} {name}: {used} of {limit}{after.format(max(limit - used, 0))}"


def _restrictions(view: UsageView) -> Iterator[str]:
    block, paused = view.usage.block, view.usage.paused
    if block is not None:
        until = f" until {format_dt(block.until, 'f')}" if block.until else ""
        yield f"Blocked on this server{until}: {escape_line(block.reason or '-', BLOCK_REASON_LENGTH)}"
    if paused is not None:
        yield say("usage_paused", reason=paused)
