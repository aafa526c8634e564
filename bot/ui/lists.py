"""The lists of `/runs`, `/queue`, `/usage`, `/blocked` and `/preset list`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from discord import ButtonStyle, SelectOption
from discord.ui import ActionRow, Button, Item, LayoutView, Section, Select, TextDisplay

from bot.deployments.input_text import ShownInputs
from bot.domain.budgets import Limits, Spending, UsageView
from bot.domain.decisions import Block
from bot.domain.pages import PAGE_SIZE, Direction, HistoryPage, RunFilter, RunListEntry, RunsPage
from bot.domain.presets import NAME_LENGTH, ChannelDefault, Holder, Preset
from bot.domain.queue.fair_queue import PLACES
from bot.domain.results.showing import is_named_in_queue, shows_prompt_in_queue
from bot.domain.runs import Run, RunState
from bot.domain.text import channel_url, escape_line, message_url, shorten, strip_invisible
from bot.strings import counted, say
from bot.ui.custom_ids import BlockedId, PageId, PresetsId, QueueId, RunListAction, RunsId, UnblockId
from bot.ui.message_parts import deletion_facts, ending, replaced_defaults, set_by, texts
from bot.ui.views import layout_of

# With these lengths, ten lines fit into a layout's 4,000 characters even if every character is escaped.
_RUN_TITLE_LENGTH = 40
_PROMPT = 60
LABEL_LENGTH = 100


def runs_layout(
    page: HistoryPage, current: RunsPage, title: Callable[[str], str], *, here: int | None
) -> LayoutView:
    """Build a page of a user's own runs, newest first, with selects to cancel, post or open them.

    `here` is the id of the current server, or None outside servers. Undelivered results can be posted, and
    private ones opened, only in the server that they belong to.
    """
    entries = page.entries
    lines = [_run_line(number, entry, title, here) for number, entry in enumerate(entries, 1)]
    heading = say("runs_heading")
    if current.run_filter is not RunFilter.ALL:
        heading = f"{heading}: {say(f'runs_filter_{current.run_filter}')}"
    empty_text = say("runs_none" if current.run_filter is RunFilter.ALL else "runs_none_such")
    layout = layout_of(TextDisplay("\n".join([heading, *(lines or [empty_text])])))
    open_runs = [
        (number, entry)
        for number, entry in enumerate(entries, 1)
        if any(run.is_cancellable for run in entry.batch)
    ]
    undelivered = [
        (number, entry)
        for number, entry in enumerate(entries, 1)
        if entry.undelivered and entry.first.guild_id == here
    ]
    private = [
        (number, entry)
        for number, entry in enumerate(entries, 1)
        if entry.can_be_reopened and entry.first.guild_id == here
    ]
    selects = {
        RunListAction.CANCEL: open_runs,
        RunListAction.REDELIVER: undelivered,
        RunListAction.OPEN: private,
    }
    for action, selectable in selects.items():
        if selectable:
            layout.add_item(ActionRow(_select(action, current, selectable, title)))
    if page.older or page.newer:
        layout.add_item(
            ActionRow(
                _runs_button("record_newer", RunsPage(current.run_filter, Direction.NEWER, page.newer)),
                _runs_button("record_older", RunsPage(current.run_filter, Direction.OLDER, page.older)),
            )
        )
    return layout


def posting_layout() -> LayoutView:
    """Build the placeholder that the messenger edits into the result.

    The placeholder is a layout like the result, because the edit would fail on a classic message.
    """
    return text_layout(say("post_noted"))


def text_layout(text: str) -> LayoutView:
    """Build a layout with one text. It can replace another layout, which can't become a classic message."""
    return layout_of(TextDisplay(text))


def queue_layout(
    runs: Sequence[Run],
    page: int,
    *,
    more: bool,
    viewer_id: int,
    title: Callable[[str], str],
    ends: Mapping[str, datetime],
) -> LayoutView:
    """Build a page, counted from 0, of a server's active and waiting runs. `ends` are the expected ends."""
    lines = [
        _queue_line(number, run, viewer_id, title, ends.get(run.key))
        for number, run in enumerate(runs, page * PAGE_SIZE + 1)
    ]
    return page_layout(QueueId, lines, page, more=more)


def run_label(run: Run, title: Callable[[str], str]) -> str:
    """Return a plain-text label of at most 100 characters for selects and autocomplete."""
    name = shorten(strip_invisible(title(run.deployment)), _RUN_TITLE_LENGTH)
    return shorten(f"{name}: {strip_invisible(run.prompt)}" if run.prompt else name, LABEL_LENGTH)


def _run_line(number: int, entry: RunListEntry, title: Callable[[str], str], here: int | None) -> str:
    run = entry.first
    line = say(
        "runs_line",
        state=_states(entry.batch),
        title=escape_line(title(run.deployment), _RUN_TITLE_LENGTH),
        at=int(run.created_at.timestamp()),
        link=_link(entry, here) + "".join(f" · {fact}" for fact in deletion_facts(entry.deletions)),
    )
    return f"{number}. {line}{_prompt(run)}"


def _link(entry: RunListEntry, here: int | None) -> str:
    run = entry.first
    if entry.undelivered and run.guild_id == here:
        return say("runs_undelivered")
    if entry.undelivered and run.guild_id is None:
        return say("runs_undelivered_outside")
    if entry.undelivered:
        return say("runs_undelivered_elsewhere", url=channel_url(run.guild_id, run.channel_id))
    if run.user_install:
        return ""  # the server isn't stored for user installs
    if run.private and (entry.message is None or entry.message[0] == run.channel_id):
        return say("runs_private")  # nothing links to an ephemeral message
    if entry.message is not None:
        # A message in another channel was sent as a direct message.
        guild_id = run.guild_id if entry.message[0] == run.channel_id else None
        return say("runs_link", url=message_url(guild_id, *entry.message))
    if run.status_message_id is not None and not all(each.final for each in entry.batch):
        return say("runs_link", url=message_url(run.guild_id, run.channel_id, run.status_message_id))
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
    code = "runs_several_done" if done else "runs_several"
    return say(code, state=_state(representative), done=done, count=len(batch))


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
    number: int, run: Run, viewer_id: int, title: Callable[[str], str], end: datetime | None
) -> str:
    at, position = int(run.created_at.timestamp()), _position(run)
    if end is not None:
        position += " · " + say("queue_expected", at=int(end.timestamp()))
    if not is_named_in_queue(run, viewer_id):
        return f"{number}. {say('queue_private', state=_state(run), at=at, position=position)}"
    line = say(
        "queue_line",
        state=_state(run),
        title=_batch_title(escape_line(title(run.deployment), _RUN_TITLE_LENGTH), run),
        person=run.requester_id,
        at=at,
        position=position,
    )
    return f"{number}. {line}{_prompt(run) if shows_prompt_in_queue(run, viewer_id) else ''}"


def _batch_title(title: str, run: Run) -> str:
    if run.count == 1:
        return title
    return say("queue_of_several", title=title, number=run.number, count=run.count)


def _position(run: Run) -> str:
    if run.queue_position is None or run.state not in (RunState.WAITING, RunState.QUEUED):
        return ""
    position = run.queue_position
    if position > PLACES and run.state is RunState.WAITING:
        return " · " + say("queue_far", ahead=PLACES)
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


def _runs_button(label: str, target: RunsPage) -> Button[LayoutView]:
    return Button(
        label=say(label),
        style=ButtonStyle.secondary,
        custom_id=RunsId(RunListAction.PAGE, target).encode(),
        disabled=target.cursor is None,
    )


def page_layout(codec: type[PageId], lines: Sequence[str], page: int, *, more: bool) -> LayoutView:
    """Build a page of a list, counted from 0, with buttons to the adjacent pages.

    `codec.NAME` is the prefix of the list's string codes. `more` means that another page follows.
    """
    heading, nothing = say(f"{codec.NAME}_heading"), say(f"{codec.NAME}_none")
    text = TextDisplay[LayoutView]("\n".join([heading, *(lines or [nothing])]))
    return layout_of(text, *_page_buttons(codec, page, ("queue_back", "queue_on"), more=more))


def _page_buttons(
    codec: type[PageId], page: int, labels: tuple[str, str], *, more: bool
) -> list[ActionRow[LayoutView]]:
    """Return buttons to the adjacent pages, unless there is only one page. `labels` are string codes."""
    if not page and not more:
        return []
    back, forward = labels
    return [
        ActionRow(
            _page_button(codec(max(page - 1, 0)), back, enabled=page > 0),
            _page_button(codec(page + 1), forward, enabled=more),
        )
    ]


def _page_button(to: PageId, label: str, *, enabled: bool) -> Button[LayoutView]:
    return Button(label=say(label), style=ButtonStyle.secondary, custom_id=to.encode(), disabled=not enabled)


_BLOCK_REASON_LENGTH = 100


def blocked_layout(blocked: Sequence[Block], page: int, *, more: bool) -> LayoutView:
    """Build a page of blocked users, each with a button to unblock them; pages count from 0."""
    nothing = [] if blocked else [say("blocked_none")]
    items: list[Item[LayoutView]] = [TextDisplay("\n".join([say("blocked_heading"), *nothing]))]
    for block in blocked:
        unblock = Button[LayoutView](
            label=say("button_unblock"),
            style=ButtonStyle.secondary,
            custom_id=UnblockId(block.user_id, block.created_at, page).encode(),
        )
        items.append(Section(TextDisplay(_blocked_line(block)), accessory=unblock))
    return layout_of(*items, *_page_buttons(BlockedId, page, ("record_newer", "record_older"), more=more))


def _blocked_line(block: Block) -> str:
    at = int(block.created_at.timestamp())
    parts = [say("blocked_line", person=block.user_id, by=block.created_by, at=at)]
    parts.append(
        say("blocked_until_line", until=int(block.until.timestamp())) if block.until else say("blocked_open")
    )
    if block.reason:
        parts.append(say("blocked_reason", text=escape_line(block.reason, _BLOCK_REASON_LENGTH)))
    return " · ".join(parts)


_PRESET_TITLE_LENGTH = 40
_PRESET_VALUES_LENGTH = 70


def presets_layout(
    presets: Sequence[Preset],
    page: int,
    *,
    more: bool,
    title: Callable[[str], str],
    inputs: Callable[[Preset], ShownInputs],
    default: ChannelDefault | None = None,
) -> LayoutView:
    """Build a page of presets, counted from 0, in the given order.

    `default` is the channel's default preset, which gets a mark, or None.
    """
    lines = [_preset_line(one, title, inputs(one), _default_mark(one, default)) for one in presets]
    return page_layout(PresetsId, lines, page, more=more)


def _default_mark(preset: Preset, default: ChannelDefault | None) -> str:
    if preset.is_default:
        return say("presets_default_own")
    if default is None or preset != default.preset:
        return ""
    return ", ".join(filter(None, [say("presets_default"), set_by(default.set_by, default.set_at)]))


def replace_layout(
    earlier: Preset,
    title: Callable[[str], str],
    inputs: ShownInputs,
    custom_id: str,
    default_in: Sequence[int] = (),
) -> LayoutView:
    """Build the message that asks whether to replace a preset, which is the default of some channels."""
    at = int(earlier.created_at.timestamp())
    made = say("preset_made", at=at)
    if earlier.holder is Holder.SERVER and earlier.created_by is not None:
        made = say("preset_made_by", person=earlier.created_by, at=at)
    line = _preset_line(earlier, title, inputs, made)
    taken = say("preset_taken_server" if earlier.holder is Holder.SERVER else "preset_taken")
    text = f"{taken}\n{line}{replaced_defaults(default_in)}"
    replace = Button[LayoutView](label=say("button_replace"), style=ButtonStyle.danger, custom_id=custom_id)
    return layout_of(TextDisplay(text), ActionRow(replace))


def _preset_line(preset: Preset, title: Callable[[str], str], inputs: ShownInputs, mark: str = "") -> str:
    code = "presets_line_server" if preset.holder is Holder.SERVER else "presets_line"
    line = say(
        code,
        name=escape_line(preset.name, NAME_LENGTH),
        title=escape_line(title(preset.deployment), _PRESET_TITLE_LENGTH),
    )
    if mark:
        line += f" · {mark}"
    values = preset_values(preset, inputs)
    return f"{line}\n{values}" if values else line


def preset_values(preset: Preset, inputs: ShownInputs) -> str:
    """Return a line with a preset's values, which says if it is cut, or an empty text."""
    values = [f"{name}: {value}" for name, value in inputs.values]
    text = ", ".join([*values, *([preset.gpu] if preset.gpu else [])])
    cut = f" ({say('presets_cut', length=len(text))})" if len(text) > _PRESET_VALUES_LENGTH else ""
    return f"-# {escape_line(text, _PRESET_VALUES_LENGTH)}{cut}" if text else ""


def usage_layout(view: UsageView) -> LayoutView:
    heading = say("usage_heading") if view.own else say("usage_heading_other", person=view.user_id)
    person = [heading, *_lines(view.usage.person, view.running.person, view.limits), *_restrictions(view)]
    server: list[str] = []
    if view.server is not None:
        server = [say("usage_server"), *_lines(view.usage.server, view.running.server, view.server)]
    returns = say("usage_returns", until=int(view.usage.day_end.timestamp()))
    return layout_of(*texts(person, server, [returns]))


def _lines(spent: Spending, running: int, limits: Limits) -> Iterator[str]:
    yield _usage_line("usage_runs", limits.runs_a_day, spent.runs)
    yield _usage_line("usage_gpu", limits.gpu_seconds_a_day, round(spent.gpu_seconds))
    yield _usage_line("usage_now", limits.at_once, running)
    yield _usage_line("usage_waiting", limits.waiting, spent.waiting)


def _usage_line(code: str, limit: int | None, used: int) -> str:
    if limit is None:
        return say(code, used=used)
    return say(f"{code}_of", used=used, limit=limit, left=max(limit - used, 0))


def _restrictions(view: UsageView) -> Iterator[str]:
    block, paused = view.usage.block, view.usage.paused
    if block is not None:
        until = int(block.until.timestamp()) if block.until else 0
        reason = escape_line(block.reason or "-", _BLOCK_REASON_LENGTH)
        yield say("usage_blocked_until" if until else "usage_blocked", until=until, reason=reason)
    if paused is not None:
        yield say("usage_paused", reason=paused)


def block_confirmation(block: Block, ended: int) -> str:
    """Return the confirmation for the moderator who blocked a user."""
    until = int(block.until.timestamp()) if block.until is not None else 0
    sentence = say("block_done_until" if until else "block_done", person=block.user_id, until=until)
    return f"{sentence} {counted('block_ended_requests', ended)}" if ended else sentence
