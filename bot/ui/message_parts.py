"""Building blocks of messages: texts, galleries and buttons, within Discord's limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from discord import ButtonStyle, Colour, File, MediaGalleryItem
from discord.ui import Button, LayoutView, MediaGallery, TextDisplay, View

from bot.domain.runs import Deletions, Run, RunState
from bot.domain.text import escape_line, escape_prose, listed, sentence_case, shorten
from bot.domain.text.run_log import FailureKind, failure_kind, last_error
from bot.domain.transitions import REQUESTER_BLOCKED, is_turned_away
from bot.strings import say
from bot.ui.custom_ids import Action, RunId
from bot.ui.views import layout_of

FILES_PER_MESSAGE = 10
# Discord takes 25 MiB per request, so 1 MiB is left for the text and the multipart boundaries. A larger file,
# on a server whose limit allows it, is sent in a message of its own.
BYTES_PER_MESSAGE = 24 * 1024 * 1024
PROMPT_SHOWN = 300
_ERROR_SHOWN = 200
# The most characters of prose, counted after escaping. Longer texts go into a code block, which needs no
# escapes.
PROSE_SHOWN = 2500
# Discord's limits for the characters of all text in a layout, and of a classic message.
LAYOUT_TEXT = 4000
CONTENT_TEXT = 2000
_MAX_BLOCKS = 10
_CHANNELS = 5  # channels that a sentence names
_DELETING = frozenset({Action.DELETE, Action.CLEAR, Action.DISCARD})
_EMOJI = {Action.AGAIN: "🔁", Action.REPEAT: "🔁", Action.VARY: "✨", Action.EDIT: "✏️"}
_SPOILER_LENGTH = 900
_RUN_FAILED = "run_failed"
_OWN_SENTENCES = {
    FailureKind.OUT_OF_MEMORY: "run_failed_memory",
    FailureKind.INPUT_REFUSED: "run_failed_input",
}
# A link in one of our own sentences: its text is short or a file's escaped name. A longer search from every
# "[" in a URL would take quadratic time.
_LINK = re.compile(r"\[((?:\\.|[^\[\]\\]){0,160})\]\(\S*\)")


def fitting(remarks: Sequence[str], space: int) -> tuple[Sequence[str], Sequence[str]]:
    """Return the first remarks, as many as fit into `space` characters with one per line, and the others.

    Few may fit, because a signed link may have thousands of characters.
    """
    for count, note in enumerate(remarks):
        space -= len(note) + 1
        if space < 0:
            return remarks[:count], remarks[count:]
    return remarks, ()


def remark_messages(remarks: Sequence[str]) -> Iterator[OutgoingMessage]:
    """Yield as few classic messages as take the remarks, one per line.

    In a remark that is too long for a message, a sentence replaces the link, and the rest is shortened.
    """
    content = ""
    for remark in map(_short_enough, remarks):
        if content and len(content) + 1 + len(remark) > CONTENT_TEXT:
            yield OutgoingMessage(content=content)
            content = ""
        content = f"{content}\n{remark}" if content else remark
    if content:
        yield OutgoingMessage(content=content)


def _short_enough(remark: str) -> str:
    if len(remark) <= CONTENT_TEXT:
        return remark
    return shorten(_LINK.sub(lambda link: f"{link[1]} {say('link_too_long')}", remark), CONTENT_TEXT)


def gallery_of(run: Run, files: Sequence[PreparedFile]) -> MediaGallery[LayoutView]:
    items = (
        MediaGalleryItem(f"attachment://{f.filename}", description=f.description, spoiler=run.spoiler)
        for f in files
    )
    return MediaGallery(*items)


def gallery_only(run: Run, files: Sequence[PreparedFile]) -> OutgoingMessage:
    return OutgoingMessage(layout=layout_of(gallery_of(run, files)), files=tuple(files))


def further_messages(
    run: Run,
    galleries: Iterable[Sequence[PreparedFile]],
    others: Iterable[Sequence[PreparedFile]],
    remarks: Sequence[str],
) -> list[OutgoingMessage]:
    """Build the messages that follow a result's first one.

    `galleries` and `others` hold the files of each message, and `remarks` are those that don't fit into the
    first message.
    """
    return [
        *(gallery_only(run, files) for files in galleries),
        *(OutgoingMessage(files=tuple(files)) for files in others),
        *remark_messages(remarks),
    ]


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
    return [
        text if text is not None else f"```\n{_unfenced(raw)}\n```"
        for text, raw in zip(plain, batch, strict=True)
    ]


def _unfenced(text: str) -> str:
    """Break up consecutive backticks, which could close the surrounding code block."""
    return re.sub("`(?=`)", "`\u200b", text)


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


def run_button(
    run: Run, action: Action, label: str, style: ButtonStyle | None = None, **params: object
) -> Button[Any]:
    """Create a button of a run, red if it deletes something; `params` fill in the label."""
    return Button(
        label=say(label, **params),
        emoji=_EMOJI.get(action),
        style=style or (ButtonStyle.danger if action in _DELETING else ButtonStyle.secondary),
        custom_id=RunId(run.key, action).encode(),
    )


COLOURS = {
    RunState.SUCCEEDED: Colour.green(),
    RunState.FAILED: Colour.red(),
    RunState.REFUSED: Colour.red(),
    RunState.REJECTED: Colour.red(),
    RunState.CANCELLED: Colour.light_grey(),
    RunState.EXPIRED: Colour.light_grey(),
    RunState.TIMED_OUT: Colour.orange(),
    RunState.UNCONFIRMED: Colour.orange(),
}


def phase(state: RunState) -> str:
    """Return the string code of a state's title."""
    return "title_approval" if state is RunState.AWAITING_APPROVAL else f"title_{state.value}"


def ending(run: Run) -> str:
    """Return the string code of a run's title.

    This is the title of its state, except that partial results and runs ended by a block have their own.
    """
    if run.failure_code == REQUESTER_BLOCKED:
        return "title_blocked"
    return "title_partial" if run.partial else phase(run.state)


def block_code(prefix: str, run: Run) -> str:
    """Return the code of a sentence that says how long the block lasts which ended a run."""
    return f"{prefix}_until" if run.failure_params.get("until") else f"{prefix}_open"


def reason_of(run: Run) -> str:
    """Return the sentence that says why a run did not succeed.

    Only that of a private run, which nobody but its requester and moderators sees, may quote the run's log.
    """
    code = run.failure_code or "internal"
    if code == _RUN_FAILED:
        return _failure_reason(run, quoted=run.private)
    if code == "comfy_invalid" and not run.failure_params.get("fields"):
        code = "comfy_invalid_unnamed"
    if code == REQUESTER_BLOCKED:
        return _block_reason(run)
    params = {
        name: escape_line(value, 100) if isinstance(value, str) else value
        for name, value in run.failure_params.items()
    }
    return say(code, **params)


def moderators_reason(run: Run) -> list[str]:
    """Return the line with the reason for which moderators turned a request away, if they gave one."""
    reason = str(run.failure_params.get("reason") or "")
    return [say("rejection_reason", reason=escape_line(reason, 900))] if reason else []


def explanation_of(run: Run) -> str:
    """Return what Details says about a run that failed on the machine, or that moderators turned away.

    Only its requester and moderators may read it. It is empty for any other run.
    """
    if is_turned_away([run]):
        return "\n".join([reason_of(run), *moderators_reason(run)])
    if run.failure_code != _RUN_FAILED:
        return ""
    return _failure_reason(run, quoted=True) if run.failure_log else say("run_failed_unexplained")


def _failure_reason(run: Run, *, quoted: bool) -> str:
    sentence = _OWN_SENTENCES.get(failure_kind(run.failure_log))
    error = last_error(run.failure_log) if quoted else None
    if sentence is None and error is not None:
        return say("run_failed_because", error=escape_line(error, _ERROR_SHOWN))
    return say(sentence or _RUN_FAILED)


def _block_reason(run: Run) -> str:
    """Return sentences about the block that ended a run and about the other requests that it ended."""
    params = run.failure_params
    others = params.get("others")
    ended = "block_ended_other" if others == 1 else "block_ended_others" if others else "block_ended_one"
    blocked = say(block_code("requester_blocked", run), until=params.get("until"))
    return f"{blocked} {say(ended, others=others)}"


def texts(*blocks: Sequence[str]) -> list[TextDisplay[LayoutView]]:
    """Create a text component for each block that isn't empty.

    Blocks are separate because some clients extend a quote to the end of its component.
    """
    texts = ("\n".join(line for line in block if line) for block in blocks)
    return [TextDisplay(text) for text in texts if text]


def prompt_line(run: Run, *, only_requester: bool = False) -> str:
    """Quote the run's prompt. A prompt that nobody approved is quoted only if `only_requester` sees it."""
    if run.hidden_from_channel and not only_requester:
        return ""
    return f"> {escape_line(run.prompt, PROMPT_SHOWN)}" if run.prompt else ""


def set_by(person: int | None, at: datetime | None) -> str:
    """Return who set a channel's default and when, as far as it is stored; otherwise an empty text."""
    if at is None:
        return ""
    seconds = int(at.timestamp())
    if person is None:
        return say("default_set_at", at=seconds)
    return say("default_set_by", person=person, at=seconds)


def replaced_defaults(channel_ids: Sequence[int]) -> str:
    """Return a line that names the channels whose default is to be replaced, or an empty text."""
    if not channel_ids:
        return ""
    channels = listed([f"<#{each}>" for each in channel_ids], _CHANNELS)
    return f"\n{say('preset_taken_default', channels=channels)}"


def facts_of(run: Run) -> list[str]:
    if run.hidden_from_channel:
        return []
    facts = time_facts(run) if run.final else []
    gpu = run.gpu_used or run.gpu
    if gpu:
        facts.append(say("gpu", gpu=escape_line(gpu, 32)))
    if run.seed is not None:
        facts.append(say("seed", seed=run.seed))
    if run.preset_note:
        facts.append(run.preset_note)
    return facts


def deletion_facts(deletions: Deletions) -> list[str]:
    """Return facts about deletions, as told to the requester. They name no moderator."""
    facts = []
    if deletions.outcome:
        facts.append(say("deleted_by_moderator" if deletions.by_moderator else "deleted"))
    elif deletions.partly:
        facts.append(say("partly_deleted_by_moderator" if deletions.by_moderator else "partly_deleted"))
    if deletions.copy_by_moderator:
        facts.append(say("copy_deleted_by_moderator"))
    return facts


def took(code: str, seconds: float | None) -> list[str]:
    """Return the fact `code` with a duration, or an empty list if it is unknown or less than a second."""
    rounded = f"{seconds or 0:.0f}"
    return [] if rounded == "0" else [say(code, seconds=rounded)]


def time_facts(run: Run) -> list[str]:
    """Return facts about the time that a run took and, if budgets weight its GPU time, the weighted time."""
    return [*took("took", run.known_duration), *weighted_time_facts([run])]


def gpu_time_facts(runs: Sequence[Run]) -> list[str]:
    """Return facts about the total GPU time of the runs, or an empty list unless it is known for all."""
    started = [run for run in runs if run.started_at is not None or run.run_duration is not None]
    if any(run.known_duration is None for run in started):
        return []
    seconds = sum(run.known_duration or 0 for run in started)
    return [*took("several_took", seconds), *weighted_time_facts(runs)]


def weighted_time_facts(runs: Iterable[Run]) -> list[str]:
    """Return how much of the daily limits the runs used, or an empty list if that is their GPU time."""
    measured = [(run.known_duration, run.charged_seconds) for run in runs if run.known_duration is not None]
    gpu_seconds = f"{sum(duration for duration, _ in measured):.0f}"
    weighted = f"{sum(duration if charged is None else charged for duration, charged in measured):.0f}"
    return [say("counted", seconds=weighted)] if weighted != gpu_seconds else []


def subtext(facts: Iterable[str]) -> str:
    """Join facts into a line of small text. Return an empty string if there are no facts."""
    line = sentence_case(" · ".join(facts))
    return f"-# {line}" if line else ""


class FileKind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    OTHER = "other"


GALLERY = frozenset({FileKind.IMAGE, FileKind.VIDEO})


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A downloaded file that fits the upload limit, typed by its content. `size` is in bytes."""

    path: Path
    filename: str
    kind: FileKind
    description: str | None = None
    size: int = 0

    def open(self) -> File:
        return File(self.path, filename=self.filename, description=self.description)


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to send. A layout excludes content and view.

    `mention` is the only user whom it may ping, and `role` the only role.
    """

    layout: LayoutView | None = None
    content: str | None = None
    view: View | None = None
    files: tuple[PreparedFile, ...] = ()
    mention: int | None = None
    role: int | None = None


@dataclass(frozen=True, slots=True)
class PreparedOutputs:
    """A run's outputs that can be posted: files, texts, and remarks about the other outputs.

    `is_gone` says that nothing is left to show, because no file could be fetched.
    """

    files: tuple[PreparedFile, ...] = ()
    texts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = field(default=())
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class ChannelName:
    """The display names of a channel and its server."""

    channel: str
    server: str
