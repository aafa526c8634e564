"""Pages of lists, and the lists of `/blocked` and `/preset list`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from discord import ButtonStyle
from discord.ui import ActionRow, Item, LayoutView, Section, TextDisplay
from discord.utils import format_dt

from bot.deployments.input_text import ShownInputs
from bot.domain.moderation import Block
from bot.domain.requests import NAME_LENGTH, ChannelDefault, Holder, Preset
from bot.domain.text import escape_line, listed
from bot.strings import counted, say
from bot.ui.custom_ids import BlockedId, PageId, PresetsId, ReplaceId, UnblockId
from bot.ui.message_parts import button, layout_of, pager


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
    return layout_of(text, *_page_row(codec, page, ("Back", "More"), more=more))


def _page_row(
    codec: type[PageId], page: int, labels: tuple[str, str], *, more: bool
) -> list[ActionRow[LayoutView]]:
    """Return a row with buttons to the adjacent pages, or no row if there is only one page."""
    ids = codec(max(page - 1, 0)), codec(page + 1)
    return [ActionRow(*pager(*ids, labels, is_first=not page, is_last=not more))] if page or more else []


BLOCK_REASON_LENGTH = 100


def blocked_layout(blocked: Sequence[Block], page: int, *, more: bool) -> LayoutView:
    """Build a page of blocked users, each with a button to unblock them; pages count from 0."""
    nothing = [] if blocked else ["Nobody."]
    items: list[Item[LayoutView]] = [TextDisplay("\n".join(["### Blocked on this server", *nothing]))]
    for block in blocked:
        unblock = button("Unblock", UnblockId(block.user_id, block.created_at, page))
        items.append(Section(TextDisplay(_blocked_line(block)), accessory=unblock))
    return layout_of(*items, *_page_row(BlockedId, page, ("Newer", "Older"), more=more))


def _blocked_line(block: Block) -> str:
    at = int(block.created_at.timestamp())
    parts = [f"<@{block.user_id}> blocked by <@{block.created_by}> <t:{at}:R>"]
    parts.append(f"until {format_dt(block.until, 'f')}" if block.until else "until unblocked")
    if block.reason:
        parts.append(f"“{escape_line(block.reason, BLOCK_REASON_LENGTH)}”")
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
        return f"set <t:{seconds}:R>"
    return f"set by <@{person}> <t:{seconds}:R>"


def _replaced_defaults(channel_ids: Sequence[int]) -> str:
    """Return a line that names the channels whose default is to be replaced, or an empty text."""
    if not channel_ids:
        return ""
    channels = listed([f"<#{each}>" for each in channel_ids], _CHANNELS)
    return f"\nReplacing it also changes the default of {channels}."


def _default_mark(preset: Preset, default: ChannelDefault | None) -> str:
    if preset.is_default:
        return "your default"
    if default is None or preset != default.preset:
        return ""
    return ", ".join(filter(None, ["the default here", set_by(default.set_by, default.set_at)]))


def replace_layout(
    earlier: Preset,
    title: Callable[[str], str],
    inputs: ShownInputs,
    draft: str,
    default_in: Sequence[int] = (),
) -> LayoutView:
    """Build the message that asks whether to replace a preset, which is the default of some channels."""
    at = int(earlier.created_at.timestamp())
    made = f"saved <t:{at}:R>"
    if earlier.holder is Holder.SERVER and earlier.created_by is not None:
        made = f"saved by <@{earlier.created_by}> <t:{at}:R>"
    line = _preset_line(earlier, title, inputs, made)
    has = "This server already has" if earlier.holder is Holder.SERVER else "You already have"
    text = f"{has} a preset with this name. Replace it?\n{line}{_replaced_defaults(default_in)}"
    replace = button("Replace", ReplaceId(draft), ButtonStyle.danger)
    return layout_of(TextDisplay(text), ActionRow(replace))


def _preset_line(preset: Preset, title: Callable[[str], str], inputs: ShownInputs, mark: str = "") -> str:
    name, of = (
        escape_line(preset.name, NAME_LENGTH),
        escape_line(title(preset.deployment), _PRESET_TITLE_LENGTH),
    )
    whose = " · this server's" if preset.holder is Holder.SERVER else ""
    line = f"**{name}** for {of}{whose}"
    if mark:
        line += f" · {mark}"
    values = preset_values(preset, inputs)
    return f"{line}\n{values}" if values else line


def preset_values(preset: Preset, inputs: ShownInputs) -> str:
    """Return a line with a preset's values, which says if it is cut, or an empty text."""
    values = [f"{name}: {value}" for name, value in inputs.values]
    text = ", ".join([*values, *([preset.gpu] if preset.gpu else [])])
    cut = f" (cut; {len(text)} characters in all)" if len(text) > _PRESET_VALUES_LENGTH else ""
    return f"-# {escape_line(text, _PRESET_VALUES_LENGTH)}{cut}" if text else ""


def block_confirmation(block: Block, ended: int) -> str:
    """Return the confirmation for the moderator who blocked a user."""
    until = format_dt(block.until, "f") if block.until is not None else "somebody unblocks them"
    sentence = f"<@{block.user_id}> can't generate here until {until}."
    return f"{sentence} {counted('block_ended_requests', ended)}" if ended else sentence
