"""The lists of `/runs`, `/queue`, `/blocked` and `/preset list`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from math import inf

from discord import ButtonStyle
from discord.ui import Item, LayoutView, Section, Thumbnail
from discord.utils import format_dt

from bot.deployments.model import ShownInputs
from bot.domain.moderation import Block
from bot.domain.requests import NAME_LENGTH, PAGE_SIZE, Holder, Preset, RunFilter, RunListEntry
from bot.domain.runs import IN_FLIGHT, Run, RunState
from bot.domain.text import channel_url, escape_line, message_url, shorten, strip_invisible
from bot.sentences import say
from bot.ui.custom_ids import BlockedId, PresetsId, QueueId, ReplaceId, RunListAction, RunsId, UnblockId
from bot.ui.message_parts import Content, Title, button, layout_of, lines, pager, subtext
from bot.ui.run_facts import deletion_facts, ending, is_queued, queue_place

_BLOCK_REASON_LENGTH = 100


def blocked_layout(blocked: Sequence[Block], page: int) -> LayoutView:
    contents: list[Content] = [lines("### Blocked on this server", "" if blocked else "Nobody.")]
    for block in blocked[:PAGE_SIZE]:
        parts = [
            f"<@{block.user_id}> blocked by <@{block.created_by}> {format_dt(block.created_at, 'R')}",
            f"until {format_dt(block.until, 'f')}" if block.until else "until somebody unblocks them",
            f"“{escape_line(block.reason, _BLOCK_REASON_LENGTH)}”" if block.reason else "",
        ]
        unblock = button("Unblock", UnblockId(page, block.user_id))
        contents.append(Section(" · ".join(filter(None, parts)), accessory=unblock))
    return layout_of(*contents, pager(BlockedId(page), blocked))


_PRESET_TITLE_LENGTH = 40
_PRESET_VALUES_LENGTH = 70


def presets_layout(
    presets: Sequence[Preset],
    page: int,
    *,
    title: Title,
    inputs: Callable[[Preset], ShownInputs],
    default: Preset | None,
) -> LayoutView:
    listed = []
    for preset in presets[:PAGE_SIZE]:
        mark = "your default" if preset.is_default else "the default here" if preset == default else ""
        listed.append(_preset_line(preset, title, inputs(preset), mark))
    nothing = "There are none yet. `/preset save` makes one from your latest request."
    row = pager(PresetsId(page), presets, ("Back", "More"))
    return layout_of(lines("### Presets", *(listed or [nothing])), row)


def replace_layout(earlier: Preset, title: Title, inputs: ShownInputs, draft: str) -> LayoutView:
    is_servers = earlier.holder is Holder.SERVER
    by = f" by <@{earlier.created_by}>" if is_servers and earlier.created_by is not None else ""
    line = _preset_line(earlier, title, inputs, f"saved{by} {format_dt(earlier.created_at, 'R')}")
    has = "This server already has" if is_servers else "You already have"
    text = f"{has} a preset with this name. Replace it?\n{line}"
    return layout_of(text, [button("Replace", ReplaceId(draft), ButtonStyle.danger)])


def _preset_line(preset: Preset, title: Title, inputs: ShownInputs, mark: str) -> str:
    of = escape_line(title(preset.deployment), _PRESET_TITLE_LENGTH)
    whose = "this server's" if preset.holder is Holder.SERVER else ""
    line = " · ".join(filter(None, [f"**{escape_line(preset.name, NAME_LENGTH)}** for {of}", whose, mark]))
    return lines(line, preset_values(preset, inputs))


def preset_values(preset: Preset, inputs: ShownInputs) -> str:
    values = [f"{name}: {value}" for name, value in inputs.values]
    return subtext([escape_line(", ".join(filter(None, [*values, preset.gpu])), _PRESET_VALUES_LENGTH)])


def block_confirmation(block: Block, ended: int) -> str:
    until = format_dt(block.until, "f") if block.until is not None else "somebody unblocks them"
    sentence = f"<@{block.user_id}> can't generate here until {until}."
    several = "s" if ended > 1 else ""
    return f"{sentence} This ended {ended} waiting request{several}." if ended else sentence


# With these lengths, ten lines fit into a layout's 4,000 characters even if every character is escaped.
_RUN_TITLE_LENGTH = 40
_PROMPT = 60
LABEL_LENGTH = 100


def runs_layout(
    entries: Sequence[RunListEntry],
    current: RunsId,
    title: Title,
    *,
    here: int | None,
    pictures: Mapping[str, str],
    restricted: Collection[str],
) -> LayoutView:
    """Build a page of a user's own runs, newest first, each with a button to cancel, post or open it.

    `here` is the current server. `pictures` are links to thumbnails, by the key of the entry. `restricted`
    entries are not shown.
    """
    heading, empty = "### Your requests", "You haven't requested anything yet. Try `/generate`."
    if current.run_filter is not RunFilter.ALL:
        heading = f"{heading}: {say(f'runs_filter_{current.run_filter}')}"
        empty = "You have none like that. `/runs` without a state shows all."
    contents: list[Content] = [lines(heading, "" if entries else empty)]
    for entry in entries[:PAGE_SIZE]:
        key = entry.first.key
        facts = [_link(entry, here), *deletion_facts(entry.deletions)]
        if key in restricted:
            facts.append("age-restricted, so it isn't shown here")
        name = escape_line(title(entry.first.deployment), _RUN_TITLE_LENGTH)
        asked = f"**{name}** {format_dt(entry.first.created_at, 'R')}"
        line = f"{_states(entry.batch)}: {' · '.join(filter(None, [asked, *facts]))}{_prompt(entry.first)}"
        # A button beside the entry cancels an active one, and posts or opens an ended one.
        id, of_here = replace(current, about=key), entry.first.guild_id == here
        beside: Item[LayoutView] | None = None
        if any(run.is_cancellable for run in entry.batch):
            beside = button("Cancel", replace(id, action=RunListAction.CANCEL))
        elif of_here and entry.undelivered:
            beside = button("Post it here", replace(id, action=RunListAction.REDELIVER))
        elif of_here and entry.can_be_reopened:
            beside = button("Open", replace(id, action=RunListAction.OPEN))
        elif key in pictures:
            beside = Thumbnail(pictures[key], spoiler=any(run.spoiler for run in entry.batch))
        contents.append(Section(line, accessory=beside) if beside is not None else line)
    return layout_of(*contents, pager(current, entries))


def may_have_thumbnail(entry: RunListEntry) -> bool:
    """Return whether a message that the bot can read shows a result of the entry."""
    if entry.message is None or not any(each.is_shown for each in entry.batch):
        return False
    return not entry.first.needs_interaction or entry.message[0] != entry.first.channel_id


def queue_layout(
    batches: Sequence[Sequence[Run]],
    page: int,
    *,
    viewer_id: int,
    title: Title,
    ends: Mapping[str, datetime],
) -> LayoutView:
    """Build a page of a server's active and waiting requests; `ends` are their expected ends."""
    found = [
        f"{number}. {_queue_line(batch, viewer_id, title, ends.get(batch[0].request_key))}"
        for number, batch in enumerate(batches[:PAGE_SIZE], page * PAGE_SIZE + 1)
    ]
    text = lines("### Running and waiting on this server", *(found or ["Nothing at the moment."]))
    # The first page has nothing before it, and is out of date soon.
    back = button("Back" if page else "Refresh", QueueId(max(page - 1, 0)))
    further = [button("More", QueueId(page + 1))] if len(batches) > PAGE_SIZE else []
    return layout_of(text, [back, *further])


def run_label(run: Run, title: Title) -> str:
    """Return a plain-text label of at most 100 characters for selects and autocomplete."""
    name = shorten(strip_invisible(title(run.deployment)), _RUN_TITLE_LENGTH)
    return shorten(f"{name}: {strip_invisible(run.prompt)}" if run.prompt else name, LABEL_LENGTH)


def _link(entry: RunListEntry, here: int | None) -> str:
    run, message = entry.first, entry.message
    if entry.undelivered:
        if run.guild_id == here:
            return "couldn't be posted"
        if run.guild_id is None:
            return "couldn't be posted; use `/runs` where you requested it"
        url = channel_url(run.guild_id, run.channel_id)
        return f"couldn't be posted; use `/runs` [where you requested it]({url})"
    # A message in another channel was sent as a direct message.
    is_direct = message is not None and message[0] != run.channel_id
    if run.user_install and not is_direct:
        return ""  # the server isn't stored for user installs
    if run.private and not is_direct:
        return "private"  # nothing links to an ephemeral message
    if message is not None:
        return f"[open]({message_url(None if is_direct else run.guild_id, *message)})"
    if run.status_message_id is not None and not all(each.final for each in entry.batch):
        return f"[open]({message_url(run.guild_id, run.channel_id, run.status_message_id)})"
    return ""


def _states(batch: Sequence[Run]) -> str:
    """Return a batch's state with, for several runs, their number and how many have a result or are held."""
    representative = next((run for run in batch if not run.final), batch[0])
    if len(batch) == 1:
        return _state(representative)
    held = [run for run in batch if run.held and representative.final]
    done = len(held) or sum(run.has_result and not run.held for run in batch)
    if done and representative.final:
        representative = next(run for run in held or batch if run.has_result)
    count = f"{done} of {len(batch)}" if done else f"×{len(batch)}"
    return f"{_state(representative)} ({count})"


def _state(run: Run) -> str:
    if not run.final and run.cancel_requested_at is not None:
        return say("title_cancelling")
    if run.state is RunState.WAITING and run.waiting_code is not None:
        return say("title_held")
    if run.held:
        return "Waiting for a moderator"
    return say("title_next" if is_queued(run) and run.queue_position == 1 else ending(run))


def _prompt(run: Run) -> str:
    return f"\n-# {escape_line(run.prompt, _PROMPT)}" if run.prompt else ""


def _queue_line(batch: Sequence[Run], viewer_id: int, title: Title, end: datetime | None) -> str:
    """Return the line of a request: its runs that are the furthest decide about the state and the place."""

    def furthest(run: Run) -> tuple[bool, float, int]:
        return run.state not in IN_FLIGHT, run.queue_position or inf, run.index

    run = min((run for run in batch if not run.final), key=furthest)
    ready = f"should be ready {format_dt(end, 'R')}" if end is not None else ""
    facts = (format_dt(run.created_at, "R"), queue_place(run, "for its deployment"), ready)
    about = " · ".join(filter(None, facts))
    state = _states([run, *(each for each in batch if each is not run)])
    if run.private and run.requester_id != viewer_id:
        return f"{state}: a private request {about}"
    name = escape_line(title(run.deployment), _RUN_TITLE_LENGTH)
    prompt = _prompt(run) if run.requester_id == viewer_id else ""
    return f"{state}: **{name}** <@{run.requester_id}> {about}{prompt}"
