"""Building blocks of messages: layouts, forms, texts, galleries and buttons, within Discord's limits.

Layouts, views and forms are stopped, because their buttons and forms are answered by custom_id alone.
discord.py keeps each view that is sent without having been stopped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from discord import ButtonStyle, Colour, MediaGalleryItem
from discord.ui import ActionRow, Button, Container, Item, LayoutView, MediaGallery, TextDisplay, View

from bot.discord_api.outgoing import OutgoingMessage
from bot.domain.files import GALLERY, PreparedFile
from bot.domain.requests import PAGE_SIZE
from bot.domain.runs import Run
from bot.domain.text import CONTENT_TEXT, escape_line, escape_prose, sentence_case, shorten
from bot.ui.custom_ids import Action, CustomId, PageId, RunId

FILES_PER_MESSAGE = 10
# Discord takes 25 MiB per request, so 1 MiB is left for the text and the multipart boundaries. A larger file,
# on a server whose limit allows it, is sent in a message of its own.
BYTES_PER_MESSAGE = 24 * 1024 * 1024
PROMPT_SHOWN = 300
# The most characters of prose, counted after escaping. Longer texts go into a code block, which needs no
# escapes.
PROSE_SHOWN = 2500
# Discord's limit for the characters of all text in a layout.
LAYOUT_TEXT = 4000
_MAX_BLOCKS = 10
_STYLES = {
    **dict.fromkeys((Action.APPROVE, Action.SHOW), ButtonStyle.success),
    **dict.fromkeys((Action.REJECT, Action.HIDE), ButtonStyle.danger),
    **dict.fromkeys((Action.DELETE, Action.CLEAR, Action.DISCARD), ButtonStyle.danger),
}
# The labels of those that the name of the action doesn't give.
_LABELS = {
    Action.USE: "Use as input",
    Action.SAVE: "Save preset",
    Action.MORE: "⋯ More",
    Action.MORE_OF_ALL: "⋯ More",
    Action.REDELIVER: "Post it here",
    Action.CLEAR: "Delete",
    Action.SHOW: "Post",
    Action.VEIL: "Post as spoiler",
    Action.HIDE: "Delete",
    Action.DISCARD: "Delete",
}
_EMOJI = {Action.AGAIN: "🔁", Action.REPEAT: "🔁", Action.VARY: "✨", Action.EDIT: "✏️"}
_SPOILER_LENGTH = 900


# A text, a row of buttons or selects, or another component.
Content = str | Sequence[Item[Any]] | Item[Any]
Title = Callable[[str], str]  # returns a deployment's title


def layout_of(*contents: Content) -> LayoutView:
    """Build a layout. Empty texts and rows are left out.

    Each text is a component of its own, because some clients extend a quote to the end of its component.
    """
    layout = LayoutView(timeout=None)
    for item in _items(contents):
        layout.add_item(item)
    layout.stop()
    return layout


def framed(colour: Colour | None, *contents: Content) -> LayoutView:
    """Build a layout with everything in one container, with `colour` as its accent colour, if any."""
    return layout_of(Container(*_items(contents), accent_colour=colour))


def _items(contents: Iterable[Content]) -> Iterator[Item[Any]]:
    for content in contents:
        if isinstance(content, Item):
            yield content
        elif content:
            yield TextDisplay(content) if isinstance(content, str) else ActionRow(*content)


def lines(*parts: str) -> str:
    return "\n".join(filter(None, parts))


def view_of(rows: Sequence[Sequence[Button[Any]]]) -> View:
    view = View(timeout=None)
    for number, row in enumerate(rows):
        for each in row:
            each.row = number
            view.add_item(each)
    view.stop()
    return view


def fitting(remarks: Sequence[str], space: int) -> tuple[Sequence[str], Sequence[str]]:
    """Return the first remarks, as many as fit into `space` characters with one per line, and the others."""
    for count, note in enumerate(remarks):
        space -= len(note) + 1
        if space < 0:
            return remarks[:count], remarks[count:]
    return remarks, ()


def remark_messages(remarks: Sequence[str]) -> Iterator[OutgoingMessage]:
    """Yield as few classic messages as take the remarks, one per line."""
    left: Sequence[str] = [shorten(each, CONTENT_TEXT) for each in remarks]
    while left:
        shown, left = fitting(left, CONTENT_TEXT + 1)
        yield OutgoingMessage(content="\n".join(shown))


def gallery_of(files: Sequence[PreparedFile], *, spoiler: bool) -> list[Item[Any]]:
    """Return a gallery of the pictures and videos that are attached, or nothing without files.

    With `spoiler`, all are spoilers, otherwise those that say so.
    """
    items = (
        MediaGalleryItem(
            f"attachment://{each.filename}", description=each.description, spoiler=spoiler or each.spoiler
        )
        for each in files
    )
    return [MediaGallery(*items)] if files else []


def text_blocks(texts: Sequence[str], *, spoiler: bool, space: int = PROSE_SHOWN) -> list[str]:
    """Return text outputs as blocks of Markdown that show them as the machine wrote them.

    More than ten texts share one block, since a layout's components are limited. Prose is escaped if all of
    it fits into `space` characters. Longer prose and preformatted texts (JSON, tables) go into code blocks,
    whose lines clients don't wrap. A code block can't be a spoiler, so with `spoiler` each text is shortened
    and escaped on one line.
    """
    batch = texts if len(texts) <= _MAX_BLOCKS else ["\n\n".join(texts)]
    if spoiler:
        return [f"||{escape_line(text, _SPOILER_LENGTH)}||" for text in batch]
    plain = [escape_prose(text) for text in batch]
    if sum(len(text or "") for text in plain) > space:
        plain = [None] * len(batch)
    # Consecutive backticks could close the code block.
    fenced = ("```\n" + re.sub("`(?=`)", "`\u200b", text) + "\n```" for text in batch)
    return [code if text is None else text for text, code in zip(plain, fenced, strict=True)]


def chunks(files: Sequence[PreparedFile]) -> list[Sequence[PreparedFile]]:
    """Split files, in order, across as few messages as their number and total size allow."""
    packed: list[list[PreparedFile]] = []
    left = 0
    for file in files:
        if not packed or len(packed[-1]) == FILES_PER_MESSAGE or file.size > left:
            packed.append([])
            left = BYTES_PER_MESSAGE
        packed[-1].append(file)
        left -= file.size
    return [*packed]


def button(
    label: str, id: CustomId, style: ButtonStyle = ButtonStyle.secondary, *, enabled: bool = True
) -> Button[Any]:
    return Button(label=label, style=style, custom_id=id.encode(), disabled=not enabled)


def pager(
    current: PageId, found: Sequence[object], labels: tuple[str, str] = ("Newer", "Older")
) -> list[Button[Any]]:
    """Create the buttons to the pages beside the current one. A list of one page needs none.

    There is a next page if `found` has more entries than a page.
    """
    more = len(found) > PAGE_SIZE
    if not (current.page or more):
        return []
    before, after = replace(current, page=max(current.page - 1, 0)), replace(current, page=current.page + 1)
    return [button(labels[0], before, enabled=current.page > 0), button(labels[1], after, enabled=more)]


def run_button(run: Run, action: Action, label: str = "", style: ButtonStyle | None = None) -> Button[Any]:
    """Create a button of a run, with the usual label and style unless others are given."""
    return Button(
        label=label or _LABELS.get(action, action.capitalize()),
        emoji=_EMOJI.get(action),
        style=style or _STYLES.get(action, ButtonStyle.secondary),
        custom_id=RunId(run.key, action).encode(),
    )


def subtext(facts: Iterable[str]) -> str:
    """Join facts into a line of small text. Return an empty string if there are no facts."""
    line = sentence_case(" · ".join(facts))
    return f"-# {line}" if line else ""


def bar(share: float, length: int) -> str:
    done = round(min(max(share, 0), 1) * length)
    return f"{'▰' * done}{'▱' * (length - done)}"


Rows = Callable[[Sequence[PreparedFile]], Sequence[Sequence[Button[Any]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultMessages:
    """The messages of a result.

    `heading` and `footer` are lines, `blocks` are texts that the run made. `rows` returns the buttons of the
    first message for the files that it shows, and `further_rows` those of a further one.
    """

    run: Run
    heading: Sequence[str]
    footer: Sequence[str]
    rows: Rows
    files: Sequence[PreparedFile]
    further_rows: Rows = lambda _: ()
    blocks: Sequence[str] = ()
    remarks: Sequence[str] = ()
    colour: Colour | None = None
    mention: int | None = None

    def messages(self) -> list[OutgoingMessage]:
        """Build all messages. The first is classic if a layout lacks a player or a preview for its files."""
        gallery = [file for file in self.files if file.kind in GALLERY]
        # If only interactions can show the result, it is an edit of the status message. That message is a
        # layout, and a layout can't become a classic message.
        is_classic = bool(self.files) and not (gallery or self.blocks or self.run.needs_interaction)
        shown = next(iter(chunks(self.files if is_classic else gallery)), ())
        first, left = self.first(shown, classic=is_classic)
        return [first, *self.further([file for file in self.files if file not in shown], left)]

    def first(self, files: Sequence[PreparedFile], *, classic: bool) -> tuple[OutgoingMessage, Sequence[str]]:
        """Build the first message, and return it with the remarks that don't fit into it."""
        heading, footer = lines(*self.heading), lines(*self.footer)
        blocks = () if classic else self.blocks
        space = (CONTENT_TEXT if classic else LAYOUT_TEXT) - sum(map(len, (heading, footer, *blocks))) - 2
        remarks, left = fitting(self.remarks, space)
        rows, message = self.rows(files), OutgoingMessage(files=tuple(files), mention=self.mention)
        if not classic:
            gallery = gallery_of(files, spoiler=self.run.spoiler)
            layout = framed(self.colour, heading, *gallery, *blocks, lines(*remarks, footer), *rows)
            return replace(message, layout=layout), left
        return replace(message, content=lines(heading, *remarks, footer), view=view_of(rows)), left

    def further(self, files: Sequence[PreparedFile], remarks: Sequence[str] = ()) -> list[OutgoingMessage]:
        """Build the messages that follow the first one: those with pictures, other files, and remarks."""
        messages = list[OutgoingMessage]()
        for shown in chunks([file for file in files if file.kind in GALLERY]):
            layout = layout_of(*gallery_of(shown, spoiler=self.run.spoiler), *self.further_rows(shown))
            messages.append(OutgoingMessage(layout=layout, files=tuple(shown)))
        others = chunks([file for file in files if file.kind not in GALLERY])
        messages += (OutgoingMessage(files=tuple(shown)) for shown in others)
        return [*messages, *remark_messages(remarks)]
