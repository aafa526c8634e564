"""Messages of shared results and failed copies, and the form that asks whether to show the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from discord.ui import ActionRow, Button, Checkbox, Item, Label, LayoutView, Modal, TextDisplay

from bot.domain.runs import Run
from bot.domain.text import escape_line
from bot.strings import say
from bot.ui.custom_ids import Action, ShareId
from bot.ui.message_parts import (
    COLOURS,
    CONTENT_TEXT,
    GALLERY,
    LAYOUT_TEXT,
    FileKind,
    OutgoingMessage,
    PreparedFile,
    PreparedOutputs,
    chunks,
    fitting,
    further_messages,
    gallery_of,
    prompt_line,
    run_button,
    subtext,
    text_blocks,
    texts,
)
from bot.ui.result_buttons import more_button
from bot.ui.views import framed, modal_of, view_of

PROMPT_FIELD = "prompt"


def share_modal(key: str) -> Modal:
    """Build the form that asks whether a shared result shows its prompt."""
    box: Checkbox[Modal] = Checkbox(custom_id=PROMPT_FIELD, default=False)
    label = Label[Modal](text=say("share_prompt_label"), description=say("share_prompt_hint"), component=box)
    return modal_of(ShareId(key).encode(), say("share_title"), label)


def share_messages(
    run: Run, title: str, prepared: PreparedOutputs, link: str | None, *, usable: bool = True
) -> list[OutgoingMessage]:
    """Build the messages of a result that is shared in the gallery channel. They ping nobody.

    `link` is the URL of the original message, or None if there is none. The prompt is shown if `run` has one.
    `usable` means that a deployment takes pictures.
    """
    gallery = [file for file in prepared.files if file.kind in GALLERY]
    others = [file for file in prepared.files if file.kind not in GALLERY]
    is_classic = bool(others) and not gallery and not prepared.texts
    shown, *further = chunks(others if is_classic else gallery) or [()]
    is_picture = any(file.kind is FileKind.IMAGE for file in prepared.files)
    use = [run_button(run, Action.USE, "button_use")] if usable and is_picture else []
    rows = [[run_button(run, Action.EDIT, "button_edit"), *use, more_button(run, Action.MORE)]]
    heading = say("share_heading", title=escape_line(title, 80), user=run.requester_id)
    top = "\n".join(line for line in (heading, prompt_line(run)) if line)
    footer = subtext([say("share_link", url=link)]) if link else ""
    blocks = text_blocks(prepared.texts, spoiler=run.spoiler) if prepared.texts else []
    space = (CONTENT_TEXT if is_classic else LAYOUT_TEXT) - sum(map(len, (top, footer, *blocks))) - 2
    remarks, left = fitting(prepared.remarks, space)
    below = [*remarks, footer]
    if is_classic:
        content = "\n".join(line for line in (top, *below) if line)
        first = OutgoingMessage(content=content, view=view_of(rows), files=tuple(shown))
        return [first, *further_messages(run, [], further, left)]
    first = _layout_message(run, top, shown, [*([block] for block in blocks), below], rows)
    return [first, *further_messages(run, further, chunks(others), left)]


def _layout_message(
    run: Run,
    top: str,
    files: Sequence[PreparedFile],
    blocks: Sequence[Sequence[str]],
    rows: Sequence[Sequence[Button[Any]]],
) -> OutgoingMessage:
    items: list[Item[LayoutView]] = [TextDisplay(top)]
    if files:
        items.append(gallery_of(run, files))
    items += texts(*blocks)
    items += [ActionRow[LayoutView](*row) for row in rows]
    layout = framed(COLOURS.get(run.state), *items)
    return OutgoingMessage(layout=layout, files=tuple(files))
