"""The messages of a batch's outcome: its results, or the reason why there are none.

A result is also shown in the gallery, and to a moderator if it is private.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from discord import Colour
from discord.ui import Button

from bot.domain.runs import REQUESTER_BLOCKED, Run, RunState, is_turned_away
from bot.domain.text import escape_line, shorten, strip_invisible
from bot.domain.text.file_names import belongs_to, number_in
from bot.domain.transitions import may_have_result
from bot.strings import say
from bot.ui.custom_ids import Action, PickId
from bot.ui.message_parts import (
    GALLERY,
    PROSE_SHOWN,
    FileKind,
    OutgoingMessage,
    PreparedFile,
    PreparedOutputs,
    ResultMessages,
    run_button,
    subtext,
    text_blocks,
)
from bot.ui.result_buttons import (
    OfferedActions,
    batch_rows,
    failure_rows,
    number_rows,
    result_rows,
)
from bot.ui.run_facts import (
    COLOURS,
    batch_title,
    ending,
    ending_sentence,
    facts_of,
    gpu_time_facts,
    in_common,
    prompt_line,
    reason_of,
    result_facts,
)

_ALT_TEXT = 500
_NONE_OFFERED = OfferedActions()


@dataclass(frozen=True, slots=True)
class Batch:
    """The runs of one outcome, in order.

    `prepared` holds the outputs to show, by run key. A run has no entry if it has no result, if its result
    was deleted, or if its key is in `late`. Late successes are shown in separate messages. `origin` is a link
    to the result whose file a single run took as input. `posted` are the files that the messages have shown
    so far, because the numbers stay the same when a result is deleted.
    """

    runs: Sequence[Run]
    prepared: Mapping[str, PreparedOutputs]
    late: Collection[str] = ()
    origin: str | None = None
    posted: Sequence[PreparedFile] = ()

    @property
    def numbered(self) -> bool:
        """Return whether there are several runs, so that texts and remarks show numbers."""
        return len(self.runs) > 1

    @property
    def numbers(self) -> list[tuple[PickId, str]]:
        """Return the numbers of all pictures and videos in order, with the names of their files.

        A run without any has a number, too, with an empty name.
        """
        files = [(run, name) for run in self.runs for name in self._pictures(run) or [""]]
        return [(PickId(run.key, n, number_in(name)), name) for n, (run, name) in enumerate(files, 1)]

    def _pictures(self, run: Run) -> list[str]:
        known = [file for file in self.posted if belongs_to(file.filename, run.key)]
        known += self.prepared.get(run.key, PreparedOutputs()).files
        return sorted({file.filename for file in known if file.kind in GALLERY}, key=number_in)

    def numbers_under(self, files: Sequence[PreparedFile]) -> list[PickId]:
        """Return the numbers of the pictures among the files of one message, if there are several in all."""
        names, numbers = {file.filename for file in files}, self.numbers
        return [each for each, name in numbers if name in names and len(numbers) > 1]

    @property
    def without_pictures(self) -> list[PickId]:
        """Return a number for each run of which no message shows a picture."""
        shown = {file.filename for file in self.files()}
        of_run = [[(each, name) for each, name in self.numbers if each.key == run.key] for run in self.runs]
        return [own[0][0] for own in of_run if shown.isdisjoint(name for _, name in own)]

    def number_of(self, run: Run) -> str:
        """Return the numbers of a run, such as "2" or "3, 4"."""
        return ", ".join(str(each.number) for each, _ in self.numbers if each.key == run.key)

    @property
    def first(self) -> Run:
        """Return the run that the buttons for the whole batch refer to."""
        return self.runs[0]

    @property
    def shown(self) -> list[Run]:
        """Return the runs whose outputs this outcome shows."""
        return [run for run in self.runs if run.key in self.prepared]

    @property
    def deleted(self) -> list[Run]:
        """Return the runs whose results were deleted, so this outcome doesn't show them any more."""
        gone = [run for run in self.runs if run.has_result and run.key not in self.prepared]
        return [run for run in gone if run.key not in self.late]

    def files(self) -> list[PreparedFile]:
        """Return the files of all shown runs, in order. Captions have the number if there are several."""
        numbers = {name: each.number for each, name in self.numbers} if len(self.numbers) > 1 else {}
        files = [(run, file) for run in self.shown for file in self.prepared[run.key].files]
        return [
            replace(file, description=shorten(f"{number}{_said(run)}", _ALT_TEXT))
            if (number := numbers.get(file.filename))
            else file
            for run, file in files
        ]


def _said(run: Run) -> str:
    return f": {strip_invisible(run.prompt)}" if run.prompt else ""


def outcome_messages(
    batch: Batch, title: str, offered: OfferedActions = _NONE_OFFERED
) -> list[OutgoingMessage]:
    """Build the messages of an outcome. The first has the buttons, and pings the requester unless they
    cancelled the batch themselves.
    """
    return outcome(batch, title, offered).with_files(batch.files())


def outcome(batch: Batch, title: str, offered: OfferedActions) -> ResultMessages:
    """Return what the messages of an outcome show apart from their files."""
    first = batch.first
    is_cancelled = not batch.shown and all(_is_own_cancellation(run) for run in batch.runs)
    mention = None if is_cancelled else first.requester_id
    return ResultMessages(
        run=first,
        heading=(_heading(batch, title, mention), prompt_line(first)),
        footer=list(_footer(batch)),
        blocks=list(_text_blocks(batch)),
        remarks=list(_remarks(batch)),
        rows=lambda files: _rows(batch, offered, files),
        further_rows=lambda files: number_rows(batch.numbers_under(files)),
        colour=_colour(batch),
        mention=mention,
    )


def _is_own_cancellation(run: Run) -> bool:
    return run.failure_code == "cancelled_by_requester"


def _heading(batch: Batch, title: str, mention: int | None) -> str:
    done, count = len(batch.shown) + len(batch.deleted), len(batch.runs)
    heading = batch_title(title, count)
    if not batch.shown:
        told = [run for run in batch.runs if run.key not in batch.late] or [batch.first]
        ended = next((run for run in told if run.failure_code != REQUESTER_BLOCKED), told[0])
        heading = f"{say(ending(ended))}: {heading}"
    elif all(run.partial for run in batch.shown):
        heading = f"Partly done: {heading}"
    elif done < count:
        heading = f"{escape_line(title, 80)}, {done} of {count}"
    return f"<@{mention}> **{heading}**" if mention else f"### {heading}"


def _colour(batch: Batch) -> Colour | None:
    if all(run.state is RunState.SUCCEEDED for run in batch.runs):
        empty = not batch.numbered and batch.shown and _is_empty(batch.prepared[batch.first.key])
        return COLOURS[RunState.TIMED_OUT if empty else RunState.SUCCEEDED]
    return COLOURS[RunState.TIMED_OUT] if batch.shown else COLOURS.get(batch.first.state)


def _is_empty(prepared: PreparedOutputs) -> bool:
    return not (prepared.files or prepared.texts or prepared.remarks)


def _text_blocks(batch: Batch) -> Iterator[str]:
    """Yield the runs' text outputs, under headings with the runs' numbers if there are several runs."""
    for run in batch.shown:
        found = batch.prepared[run.key].texts
        blocks = text_blocks(found, spoiler=run.spoiler, space=PROSE_SHOWN // len(batch.runs))
        if blocks and batch.numbered:
            blocks = ["\n".join([f"**{batch.number_of(run)}**", *blocks])]
        yield from blocks


def _remarks(batch: Batch) -> Iterator[str]:
    """Yield remarks about missing or changed outputs. A remark that several runs share appears once, with
    their numbers. It has no numbers if it applies to all runs and the outcome shows no outputs.
    """
    about: dict[str, list[Run]] = {}
    for run in batch.runs:
        for remark in dict.fromkeys(_remarks_on(batch, run)):
            about.setdefault(remark, []).append(run)
    for remark, runs in about.items():
        numbers = ", ".join(map(batch.number_of, runs))
        of_all = len(runs) == len(batch.runs) and not batch.shown
        numbered = batch.numbered and not of_all
        yield f"**{numbers}** {remark}" if numbered else remark


def _remarks_on(batch: Batch, run: Run) -> Sequence[str]:
    if run.key in batch.late:
        return ["It took longer than the others and has a message of its own."]
    if not run.has_result:
        # If the requester cancelled the whole batch, the heading already says so.
        reason = "" if all(_is_own_cancellation(each) for each in batch.runs) else reason_of(run)
        if run.failure_code == REQUESTER_BLOCKED and not is_turned_away(batch.runs):
            reason = say("ended_by_block")
        remark = _reason_with_charge(run, reason) if batch.numbered else reason
        return [remark] if remark else []
    found = batch.prepared.get(run.key)
    if found is None:
        return ["Deleted."]
    if run.partial:
        return [ending_sentence(run), *found.remarks]
    return [say("no_outputs")] if _is_empty(found) else found.remarks


def _footer(batch: Batch) -> Iterator[str]:
    if batch.numbered:
        yield from _footer_of_several(batch)
    else:
        origin = [f"made from [an earlier result]({batch.origin})"] if batch.origin else []
        yield subtext([*origin, *_size(batch), *result_facts(batch.first)])
    if batch.shown and len(batch.numbers) > 1:
        yield subtext(["Pick a number to do more with it."])


def _size(batch: Batch) -> list[str]:
    """Return the width and height of a result's pictures, if they are all the same.

    A partial result has none, because it may be edited when only the names of its files are known.
    """
    if batch.first.partial:
        return []
    pictures = {file.pixels for file in batch.files() if file.kind is FileKind.IMAGE}
    sizes = [pixels for pixels in pictures if pixels is not None] if len(pictures) == 1 else []
    return [f"{width} × {height}" for width, height in sizes]


def _footer_of_several(batch: Batch) -> Iterator[str]:
    shown = batch.shown
    seeds = [f"**{batch.number_of(run)}:** {run.seed}" for run in shown if run.seed is not None]
    if seeds:
        yield subtext([f"seeds: {' · '.join(seeds)}"])
    used = next((run.gpu_used for run in batch.runs if run.gpu_used), None)
    facts = [*gpu_time_facts(batch.runs), *facts_of(replace(in_common(batch.runs), gpu_used=used))]
    yield subtext(facts)


def _reason_with_charge(run: Run, reason: str) -> str:
    if run.charged_seconds:
        return f"{reason} Some of your GPU time was used.".strip()
    return f"{reason} No GPU time was used.".strip()


def _rows(
    batch: Batch, offered: OfferedActions, files: Sequence[PreparedFile]
) -> Sequence[Sequence[Button[Any]]]:
    """Return the buttons of an outcome's first message, which shows these files."""
    if not any(map(may_have_result, batch.runs)):
        return failure_rows(batch.first, Action.MORE_OF_ALL if batch.numbered else Action.MORE)
    numbers = batch.numbers_under(files)
    if batch.numbered:
        numbers = sorted([*numbers, *batch.without_pictures], key=lambda each: each.number)
        return batch_rows(batch.first, numbers, offered, shown=bool(batch.shown))
    if not batch.shown:
        return failure_rows(batch.first)
    kinds = {file.kind for file in batch.files()}
    return result_rows(batch.first, offered, kinds, numbers)


def share_messages(
    run: Run, title: str, prepared: PreparedOutputs, link: str | None, offered: OfferedActions
) -> list[OutgoingMessage]:
    """Build the messages of a result that is shared in the gallery channel. They ping nobody.

    `link` is the URL of the original message, or None if there is none. The prompt is shown if `run` has one.
    """
    is_picture = any(file.kind is FileKind.IMAGE for file in prepared.files)
    use = [run_button(run, Action.USE)] if offered.usable and is_picture else []
    row = [run_button(run, Action.EDIT), *use, run_button(run, Action.MORE)]
    heading = f"**{escape_line(title, 80)}** by <@{run.requester_id}>"
    return ResultMessages(
        run=run,
        heading=(heading, prompt_line(run)),
        footer=[subtext([f"[Open the original]({link})"])] if link else [],
        blocks=text_blocks(prepared.texts, spoiler=run.spoiler),
        remarks=prepared.remarks,
        rows=lambda _: [row],
        colour=COLOURS.get(run.state),
    ).with_files(prepared.files)


def opened_messages(
    run: Run, title: str, prepared: Mapping[str, PreparedOutputs]
) -> Sequence[OutgoingMessage]:
    """Build the messages that show a private result to a moderator; the first has Details and Delete."""
    outputs = prepared[run.key]
    details = run_button(run, Action.DETAILS)
    heading = f"**{escape_line(title, 80)}**: a private result of <@{run.requester_id}>"
    return ResultMessages(
        run=run,
        heading=(heading, prompt_line(run, only_requester=True)),
        footer=[subtext(facts_of(run))],
        blocks=text_blocks(outputs.texts, spoiler=run.spoiler),
        remarks=outputs.remarks,
        rows=lambda _: [[details, run_button(run, Action.DELETE)]],
        colour=Colour.blurple(),
    ).with_files(outputs.files)
