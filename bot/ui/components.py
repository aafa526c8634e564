"""What messages about runs are made of: texts, galleries, buttons, within Discord's limits. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from discord import ButtonStyle, File, MediaGalleryItem
from discord.ui import Button, Item, LayoutView, MediaGallery, TextDisplay, View

from bot.domain.runs import Run, RunState
from bot.domain.text import escape_line, escape_prose
from bot.strings import say
from bot.ui.custom_ids import Action, custom_id

FILES_A_MESSAGE = 10
PROMPT_SHOWN = 300
# Of escaped text; above it the unescaped code block is shorter.
PROSE_SHOWN = 2500
# Discord's limits: characters of all text in a layout, and of a classic message.
LAYOUT_TEXT = 4000
CONTENT_TEXT = 2000
_BLOCKS = 10
_SPOILER = 900
_LINK = re.compile(r"\[([^\]]*)\]\(\S*\)")


def fitting(notes: Sequence[str], room: int) -> tuple[Sequence[str], Sequence[str]]:
    """As many notes as fit into the room, and the others: a signed link may have thousands of characters."""
    for count, note in enumerate(notes):
        room -= len(note) + 1
        if room < 0:
            return notes[:count], notes[count:]
    return notes, ()


def note_parts(notes: Sequence[str]) -> Iterator[OutgoingMessage]:
    """Further messages for the notes left over; a link too long for any message is not linked."""
    left: Sequence[str] = [n if len(n) < CONTENT_TEXT else _LINK.sub(r"\1", n) for n in notes]
    while left:
        now, left = fitting(left, CONTENT_TEXT)
        yield OutgoingMessage(content="\n".join(now))


def gallery_of(run: Run, files: Sequence[PreparedFile]) -> MediaGallery[LayoutView]:
    items = (
        MediaGalleryItem(f"attachment://{f.filename}", description=f.description, spoiler=run.spoiler)
        for f in files
    )
    return MediaGallery(*items)


def gallery_only(run: Run, files: Sequence[PreparedFile]) -> OutgoingMessage:
    return OutgoingMessage(layout=layout_of(gallery_of(run, files)), files=tuple(files))


def text_blocks(texts: Sequence[str], *, spoiler: bool, room: int = PROSE_SHOWN) -> list[str]:
    """As the machine wrote them; very many share one block, since components are counted.

    Sentences stand as text; what is laid out by hand (JSON, tables) in a code block, which no client breaks
    into lines. A code block can't be hidden: behind a spoiler the words stand on one line, escaped.
    """
    batch = texts if len(texts) <= _BLOCKS else ["\n\n".join(texts)]
    if spoiler:
        return [f"||{escape_line(text, _SPOILER)}||" for text in batch]
    plain = [escape_prose(text) for text in batch]
    if sum(len(text or "") for text in plain) > room:
        plain = [None] * len(batch)
    return [
        text if text is not None else f"```\n{_unfenced(raw)}\n```"
        for text, raw in zip(plain, batch, strict=True)
    ]


def _unfenced(text: str) -> str:
    """No two backticks in a row, which could end the code block around it."""
    return re.sub("`(?=`)", "`\u200b", text)


def chunks(files: Sequence[PreparedFile]) -> list[Sequence[PreparedFile]]:
    return [files[start : start + FILES_A_MESSAGE] for start in range(0, len(files), FILES_A_MESSAGE)]


def layout_of(item: Item[LayoutView]) -> LayoutView:
    layout = LayoutView(timeout=None)
    layout.add_item(item)
    return layout


def view_of(rows: Sequence[Sequence[Button[Any]]]) -> View:
    """The same buttons under a classic message."""
    view = View(timeout=None)
    for number, row in enumerate(rows):
        for button in row:
            button.row = number
            view.add_item(button)
    return view


def run_button(
    run: Run, action: Action, label: str, style: ButtonStyle = ButtonStyle.secondary, **params: object
) -> Button[Any]:
    """`params` fill the label's gaps."""
    return Button(label=say(label, **params), style=style, custom_id=custom_id(run.key, action))


def phase(state: RunState) -> str:
    """The code of a state's title in `bot.strings`."""
    return "title_approval" if state is RunState.AWAITING_APPROVAL else f"title_{state.value}"


def texts(*blocks: Sequence[str]) -> list[TextDisplay[LayoutView]]:
    """Each block apart, because some clients carry a quotation on until the text ends."""
    texts = ("\n".join(line for line in block if line) for block in blocks)
    return [TextDisplay(text) for text in texts if text]


def prompt_line(run: Run) -> str:
    if run.unseen:
        return ""
    return f"> {escape_line(run.prompt, PROMPT_SHOWN)}" if run.prompt else ""


def facts_of(run: Run) -> list[str]:
    if run.unseen:
        return []
    facts = taken([run]) if run.final else []
    gpu = run.gpu_used or run.gpu
    if gpu:
        facts.append(say("gpu", gpu=escape_line(gpu, 32)))
    if run.seed is not None:
        facts.append(say("seed", seed=run.seed))
    return facts


def taken(runs: Sequence[Run], code: str = "took") -> list[str]:
    """GPU time as ComfyDeploy measured it, and as budgets count it where a weight makes that another."""
    measured = [(run, run.run_duration) for run in runs if run.run_duration is not None]
    if not measured:
        return []
    took = f"{sum(duration for _, duration in measured):.0f}"
    charged = ((run.charged_seconds, duration) for run, duration in measured)
    counted = f"{sum(duration if seconds is None else seconds for seconds, duration in charged):.0f}"
    return [say(code, seconds=took), *([say("counted", seconds=counted)] if counted != took else [])]


def subtext(facts: Sequence[str]) -> str:
    return f"-# {' · '.join(facts)}" if facts else ""


class FileKind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    OTHER = "other"


GALLERY = frozenset({FileKind.IMAGE, FileKind.VIDEO})


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A file ready for upload: fetched, typed by its content, within the limit of the place."""

    path: Path
    filename: str
    kind: FileKind
    description: str | None = None

    def open(self) -> File:
        return File(self.path, filename=self.filename, description=self.description)


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message. `mention` is the one person it may ping. A layout excludes content and view."""

    layout: LayoutView | None = None
    content: str | None = None
    view: View | None = None
    files: tuple[PreparedFile, ...] = ()
    mention: int | None = None


@dataclass(frozen=True, slots=True)
class PreparedOutputs:
    """A run's outputs as far as they can be shown: files, texts, and sentences about the rest."""

    files: tuple[PreparedFile, ...] = ()
    texts: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class ChannelName:
    """A channel by the names that people know."""

    channel: str
    server: str
