"""Pages of lists, and the lists of `/blocked` and `/preset list`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from discord import ButtonStyle
from discord.ui import ActionRow, Button, Item, LayoutView, Section, TextDisplay

from bot.deployments.input_text import ShownInputs
from bot.domain.moderation import Block
from bot.domain.requests import NAME_LENGTH, ChannelDefault, Holder, Preset
from bot.domain.text import escape_line, listed
from bot.strings import counted, say
from bot.ui.custom_ids import BlockedId, PageId, PresetsId, UnblockId
from bot.ui.views import layout_of


def posting_layout() -> LayoutView:
    """Build the placeholder that the messenger edits into the result.

    The placeholder is a layout like the result, because the edit would fail on a classic message.
    """
    return text_layout(say("post_noted"))


def text_layout(text: str) -> LayoutView:
    """Build a layout with one text. It can replace another layout, which can't become a classic message."""
    return layout_of(TextDisplay(text))


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


BLOCK_REASON_LENGTH = 100


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
        parts.append(say("blocked_reason", text=escape_line(block.reason, BLOCK_REASON_LENGTH)))
    return " · ".join(parts)


_CHANNELS = 5  # channels that a sentence names
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


def set_by(person: int | None, at: datetime | None) -> str:
    """Return who set a channel's default and when, as far as it is stored; otherwise an empty text."""
    if at is None:
        return ""
    seconds = int(at.timestamp())
    if person is None:
        return say("default_set_at", at=seconds)
    return say("default_set_by", person=person, at=seconds)


def _replaced_defaults(channel_ids: Sequence[int]) -> str:
    """Return a line that names the channels whose default is to be replaced, or an empty text."""
    if not channel_ids:
        return ""
    channels = listed([f"<#{each}>" for each in channel_ids], _CHANNELS)
    return f"\n{say('preset_taken_default', channels=channels)}"


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
    text = f"{taken}\n{line}{_replaced_defaults(default_in)}"
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


def block_confirmation(block: Block, ended: int) -> str:
    """Return the confirmation for the moderator who blocked a user."""
    until = int(block.until.timestamp()) if block.until is not None else 0
    sentence = say("block_done_until" if until else "block_done", person=block.user_id, until=until)
    return f"{sentence} {counted('block_ended_requests', ended)}" if ended else sentence
