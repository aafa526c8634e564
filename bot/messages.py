"""What a person sees of a run: Run -> parts. Pure; every sentence comes from `bot.words`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from discord import ButtonStyle, Colour, MediaGalleryItem
from discord.ui import ActionRow, Button, Container, Item, LayoutView, MediaGallery, TextDisplay, View

from bot.buttons import Action, custom_id
from bot.parts import GALLERY, FileKind, Part, Prepared, PreparedFile
from bot.runs import Run, RunState
from bot.text import prose, quoted
from bot.transitions import BARRED
from bot.words import say

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
_BAR = 12

_COLOURS = {
    RunState.SUCCEEDED: Colour.green(),
    RunState.FAILED: Colour.red(),
    RunState.REFUSED: Colour.red(),
    RunState.REJECTED: Colour.red(),
    RunState.CANCELLED: Colour.light_grey(),
    RunState.EXPIRED: Colour.light_grey(),
    RunState.TIMED_OUT: Colour.orange(),
    RunState.UNCONFIRMED: Colour.orange(),
}


def status_part(run: Run, title: str) -> Part:
    """The answer to the command while the run is on its way: phase, progress, how long, Cancel."""
    above = [f"### {say(_heading(run))}: {quoted(title, 80)}", _prompt_line(run)]
    below = [
        _progress_line(run),
        _note(run),
        say("waits_for_approval") if run.state is RunState.AWAITING_APPROVAL else "",
        _small([say("since", at=int(run.created_at.timestamp())), *_facts(run)]),
    ]
    items: list[Item[LayoutView]] = [*_texts(above, below)]
    if run.cancel_requested_at is None and run.note != "not_cancellable":
        items.append(ActionRow(_button(run, Action.CANCEL, "button_cancel")))
    return Part(layout=_layout(Container(*items, accent_colour=Colour.blurple())))


def _note(run: Run) -> str:
    """What the status adds; where only the interaction reaches, from the beginning how long that lasts."""
    return say(run.note or "answer_lives") if run.note or run.user_install else ""


def outcome_parts(run: Run, title: str, prepared: Prepared, *, usable: bool = False) -> list[Part]:
    """The messages that end a run, the first of them pinging the requester.

    `usable` tells whether a deployment takes pictures, so that one made here can go on.
    """
    if run.state is RunState.SUCCEEDED:
        return _result_parts(run, title, prepared, usable=usable)
    return [_ending(run, title, prepared.notes)]


def _ending(run: Run, title: str, notes: Sequence[str]) -> Part:
    """Anything but a result: what happened, what to do."""
    asked_for = run.failure_code == "cancelled_by_requester"
    mention = None if asked_for else run.requester_id
    said = f"{say(phase(run.state))}: {quoted(title, 80)}"
    heading = f"{say('mention', user=mention)} **{said}**" if mention else f"### {said}"
    container = Container(
        *_texts([heading, _prompt_line(run)], [reason(run), *notes, _small(_facts(run))]),
        ActionRow(*_way_on(run)),
        accent_colour=_COLOURS[run.state],
    )
    return Part(layout=_layout(container), mention=mention)


def _way_on(run: Run) -> list[Button[Any]]:
    """Where a moderator said no, the same once more is not what to offer first."""
    edit = _button(run, Action.EDIT, "button_edit")
    if run.state is RunState.REJECTED or run.failure_code == BARRED:
        return [edit]
    return [_button(run, Action.AGAIN, "button_try_again", ButtonStyle.primary), edit]


def reason(run: Run) -> str:
    """Why a run ended as it did, in words."""
    code = run.failure_code or "internal"
    if code == "comfy_invalid" and not run.failure_params.get("fields"):
        code = "comfy_invalid_unnamed"
    params = {
        name: quoted(value, 100) if isinstance(value, str) else value
        for name, value in run.failure_params.items()
    }
    return say(code, **params)


def _result_parts(run: Run, title: str, prepared: Prepared, *, usable: bool) -> list[Part]:
    gallery = [file for file in prepared.files if file.kind in GALLERY]
    others = [file for file in prepared.files if file.kind not in GALLERY]
    parts = []
    # An answer that began as a layout can't become a classic message.
    if gallery or prepared.texts or not others or run.user_install:
        first_part, unsaid = _result_layout(run, title, gallery[:FILES_A_MESSAGE], prepared, usable=usable)
        parts.append(first_part)
        parts += [_gallery_only(run, chunk) for chunk in _chunks(gallery[FILES_A_MESSAGE:])]
        parts += [Part(files=tuple(chunk)) for chunk in _chunks(others)]
    else:
        first, *rest = _chunks(others)
        first_part, unsaid = _result_classic(run, title, first, prepared)
        parts.append(first_part)
        parts += [Part(files=tuple(chunk)) for chunk in rest]
    return [*parts, *note_parts(unsaid)]


def _result_layout(
    run: Run, title: str, files: Sequence[PreparedFile], prepared: Prepared, *, usable: bool
) -> tuple[Part, Sequence[str]]:
    """Pictures and videos in a gallery, short texts quoted; and the notes that found no room."""
    heading, facts = _result_heading(run, title), _small(_facts(run))
    blocks = _text_blocks(prepared.texts, spoiler=run.spoiler)
    empty = not (prepared.files or prepared.texts or prepared.notes)
    room = LAYOUT_TEXT - sum(map(len, (heading, facts, *blocks))) - 1
    notes, unsaid = _fitting([say("no_outputs")] if empty else prepared.notes, room)
    items: list[Item[LayoutView]] = [TextDisplay(heading)]
    if files:
        items.append(_gallery(run, files))
    items += _texts(*([block] for block in blocks), [*notes, facts])
    items.append(ActionRow(*_result_buttons(run)))
    if usable and any(file.kind is FileKind.IMAGE for file in files):
        items.append(ActionRow(_button(run, Action.USE, "button_use")))
    layout = _layout(Container(*items, accent_colour=_COLOURS[RunState.SUCCEEDED]))
    return Part(layout=layout, files=tuple(files), mention=run.requester_id), unsaid


def _result_classic(
    run: Run, title: str, files: Sequence[PreparedFile], prepared: Prepared
) -> tuple[Part, Sequence[str]]:
    """Audio and other files: components v2 has no player and no preview for them."""
    heading, facts = _result_heading(run, title), _small(_facts(run))
    notes, unsaid = _fitting(prepared.notes, CONTENT_TEXT - len(heading) - len(facts) - 2)
    view = View(timeout=None)
    for button in _result_buttons(run):
        view.add_item(button)
    content = "\n".join(line for line in (heading, *notes, facts) if line)
    return Part(content=content, view=view, files=tuple(files), mention=run.requester_id), unsaid


def _fitting(notes: Sequence[str], room: int) -> tuple[Sequence[str], Sequence[str]]:
    """As many notes as fit into the room, and the others: a signed link may have thousands of characters."""
    for count, note in enumerate(notes):
        room -= len(note) + 1
        if room < 0:
            return notes[:count], notes[count:]
    return notes, ()


def note_parts(notes: Sequence[str]) -> Iterator[Part]:
    """Further messages for the notes left over; a link too long for any message is not linked."""
    left: Sequence[str] = [n if len(n) < CONTENT_TEXT else _LINK.sub(r"\1", n) for n in notes]
    while left:
        now, left = _fitting(left, CONTENT_TEXT)
        yield Part(content="\n".join(now))


def _result_heading(run: Run, title: str) -> str:
    lines = [f"{say('mention', user=run.requester_id)} **{quoted(title, 80)}**", _prompt_line(run)]
    return "\n".join(line for line in lines if line)


def _gallery(run: Run, files: Sequence[PreparedFile]) -> MediaGallery[LayoutView]:
    items = (
        MediaGalleryItem(f"attachment://{f.filename}", description=f.description, spoiler=run.spoiler)
        for f in files
    )
    return MediaGallery(*items)


def _gallery_only(run: Run, files: Sequence[PreparedFile]) -> Part:
    return Part(layout=_layout(_gallery(run, files)), files=tuple(files))


def _text_blocks(texts: Sequence[str], *, spoiler: bool) -> list[str]:
    """As the machine wrote them; very many share one block, since components are counted.

    Sentences stand as text; what is laid out by hand (JSON, tables) in a code block, which no client breaks
    into lines. A code block can't be hidden: behind a spoiler the words stand on one line, escaped.
    """
    together = texts if len(texts) <= _BLOCKS else ["\n\n".join(texts)]
    if spoiler:
        return [f"||{quoted(text, _SPOILER)}||" for text in together]
    plain = [prose(text) for text in together]
    if sum(len(text or "") for text in plain) > PROSE_SHOWN:
        plain = [None] * len(together)
    return [
        text if text is not None else f"```\n{_unfenced(raw)}\n```"
        for text, raw in zip(plain, together, strict=True)
    ]


def _unfenced(text: str) -> str:
    """No two backticks in a row, which could end the code block around it."""
    return re.sub("`(?=`)", "`\u200b", text)


def _chunks(files: Sequence[PreparedFile]) -> list[Sequence[PreparedFile]]:
    return [files[start : start + FILES_A_MESSAGE] for start in range(0, len(files), FILES_A_MESSAGE)]


def _layout(item: Item[LayoutView]) -> LayoutView:
    layout = LayoutView(timeout=None)
    layout.add_item(item)
    return layout


def _result_buttons(run: Run) -> list[Button[Any]]:
    buttons = [
        (Action.AGAIN, "button_again"),
        (Action.EDIT, "button_edit"),
        (Action.DETAILS, "button_details"),
        (Action.DELETE, "button_delete"),
    ]
    if run.guild_id is not None:
        buttons.append((Action.REPORT, "button_report"))
    return [_button(run, action, label) for action, label in buttons]


def _button(run: Run, action: Action, label: str, style: ButtonStyle = ButtonStyle.secondary) -> Button[Any]:
    return Button(label=say(label), style=style, custom_id=custom_id(run.key, action))


def phase(state: RunState) -> str:
    """The code of a state's title in `bot.words`."""
    return "title_approval" if state is RunState.AWAITING_APPROVAL else f"title_{state.value}"


def _heading(run: Run) -> str:
    """A run that nothing holds up is not told to be waiting in the moment before its queue call."""
    if run.cancel_requested_at:
        return "title_cancelling"
    unhindered = run.state is RunState.WAITING and run.queue_position is None
    return "title_submitting" if unhindered else phase(run.state)


def _texts(*blocks: Sequence[str]) -> list[TextDisplay[LayoutView]]:
    """Each block apart, because some clients carry a quotation on until the text ends."""
    texts = ("\n".join(line for line in block if line) for block in blocks)
    return [TextDisplay(text) for text in texts if text]


def _prompt_line(run: Run) -> str:
    if run.unseen:
        return ""
    return f"> {quoted(run.prompt, PROMPT_SHOWN)}" if run.prompt else ""


def _progress_line(run: Run) -> str:
    if run.queue_position is not None and run.state in (RunState.WAITING, RunState.QUEUED):
        # ComfyDeploy counts from 0, our own queue from 1.
        ahead = run.queue_position + (1 if run.state is RunState.QUEUED else 0)
        return say("next_in_queue") if ahead <= 1 else say("position", position=ahead)
    if run.progress is None or run.state not in (RunState.RUNNING, RunState.UPLOADING):
        return ""
    done = round(min(max(run.progress, 0), 1) * _BAR)
    phase = f" · {quoted(run.live_status, 60)}" if run.live_status else ""
    return f"{'▰' * done}{'▱' * (_BAR - done)} {run.progress:.0%}{phase}"


def _facts(run: Run) -> list[str]:
    if run.unseen:
        return []
    facts = []
    if run.run_duration is not None and run.final:
        facts.append(say("took", seconds=f"{run.run_duration:.0f}"))
    gpu = run.gpu_used or run.gpu
    if gpu:
        facts.append(say("gpu", gpu=quoted(gpu, 32)))
    if run.seed is not None:
        facts.append(say("seed", seed=run.seed))
    return facts


def _small(facts: Sequence[str]) -> str:
    return f"-# {' · '.join(facts)}" if facts else ""
