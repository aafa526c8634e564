"""The messages of a batch's outcome: its results, or the reason why there are none.

A result is also shown in the gallery, and to a moderator if it is private.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from discord.ui import Button

from bot.discord_api.outgoing import OutgoingMessage
from bot.domain.files import GALLERY, FileKind, PreparedFile, PreparedOutputs
from bot.domain.runs import REQUESTER_BLOCKED, Run, RunState, is_turned_away
from bot.domain.text import belongs_to, escape_line, number_in, shorten, strip_invisible
from bot.sentences import say
from bot.ui.custom_ids import Action, PickId
from bot.ui.message_parts import PROSE_SHOWN, ResultMessages, run_button, subtext, text_blocks
from bot.ui.result_buttons import ACTIONS, OfferedActions, again, follow_ups, number_rows, retry
from bot.ui.run_facts import (
    COLOURS,
    batch_title,
    ending,
    ending_sentence,
    facts_of,
    gpu_time_facts,
    left_out,
    prompt_line,
    reason_of,
    result_facts,
)

_ALT_TEXT = 500
_NOTHING = PreparedOutputs()


@dataclass(frozen=True)
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

    @cached_property
    def shown(self) -> list[Run]:
        return [run for run in self.runs if run.key in self.prepared]

    @cached_property
    def numbers(self) -> list[tuple[PickId, str]]:
        """Return the numbers of all pictures and videos in order, with the names of their files.

        A run without any has a number, too, with an empty name.
        """
        found = list[tuple[str, str]]()
        for run in self.runs:
            known = [file for file in self.posted if belongs_to(file.filename, run.key)]
            known += self.prepared.get(run.key, _NOTHING).files
            names = {file.filename for file in known if file.kind in GALLERY}
            found += [(run.key, name) for name in sorted(names, key=number_in) or [""]]
        return [(PickId(key, n, number_in(name)), name) for n, (key, name) in enumerate(found, 1)]

    @cached_property
    def files(self) -> list[PreparedFile]:
        """Return the files of all shown runs, in order. Captions have the number if there are several."""
        numbers = {name: each.number for each, name in self.numbers} if len(self.numbers) > 1 else {}
        files = list[PreparedFile]()
        for run in self.shown:
            prompt = f": {strip_invisible(run.prompt)}" if run.prompt else ""
            for file in self.prepared[run.key].files:
                number = numbers.get(file.filename)
                caption = shorten(f"{number}{prompt}", _ALT_TEXT) if number else file.description
                files.append(replace(file, description=caption, spoiler=run.spoiler))
        return files

    def numbers_under(self, files: Sequence[PreparedFile]) -> list[PickId]:
        """Return the numbers of the pictures among the files of one message, if there are several in all."""
        names = {file.filename for file in files}
        return [each for each, name in self.numbers if name in names and len(self.numbers) > 1]

    def number_of(self, run: Run) -> str:
        return ", ".join(str(each.number) for each, _ in self.numbers if each.key == run.key)


def outcome(batch: Batch, title: str, offered: OfferedActions) -> ResultMessages:
    """Return the messages of an outcome. The first has the buttons, and pings the requester unless they
    cancelled the batch themselves.
    """
    first = batch.runs[0]
    mention = None if not batch.shown and _is_own_cancellation(batch) else first.requester_id
    is_partial = batch.shown and any(run.state is not RunState.SUCCEEDED for run in batch.runs)
    blocks = list[str]()
    for run in batch.shown:
        texts, space = batch.prepared[run.key].texts, PROSE_SHOWN // len(batch.runs)
        made = text_blocks(texts, spoiler=run.spoiler, space=space)
        if made and len(batch.runs) > 1:
            made = ["\n".join([f"**{batch.number_of(run)}**", *made])]
        blocks += made
    return ResultMessages(
        run=replace(first, spoiler=False),  # its files say which are spoilers
        heading=(_heading(batch, title, mention), prompt_line(first)),
        footer=list(_footer(batch)),
        blocks=blocks,
        remarks=list(_remarks(batch)),
        rows=lambda files: _rows(batch, offered, files),
        further_rows=lambda files: number_rows(batch.numbers_under(files)),
        files=batch.files,
        colour=COLOURS[RunState.TIMED_OUT] if is_partial else COLOURS.get(first.state),
        mention=mention,
    )


def _is_own_cancellation(batch: Batch) -> bool:
    return all(run.failure_code == "cancelled_by_requester" for run in batch.runs)


def _heading(batch: Batch, title: str, mention: int | None) -> str:
    heading = batch_title(title, len(batch.runs))
    # Results that were deleted since count, too.
    done = sum(run.key in batch.prepared or run.has_result for run in batch.runs if run.key not in batch.late)
    if not batch.shown:
        told = [run for run in batch.runs if run.key not in batch.late] or batch.runs[:1]
        ended = next((run for run in told if run.failure_code != REQUESTER_BLOCKED), told[0])
        heading = f"{say(ending(ended))}: {heading}"
    elif all(run.partial for run in batch.shown):
        heading = f"Partly done: {heading}"
    elif done < len(batch.runs):
        heading = f"{escape_line(title, 80)}, {done} of {len(batch.runs)}"
    return f"<@{mention}> **{heading}**" if mention else f"### {heading}"


def _remarks(batch: Batch) -> Iterator[str]:
    """Yield remarks about missing or changed outputs. A remark that several runs share appears once, with
    their numbers. It has no numbers if it applies to all runs and the outcome shows no outputs.
    """
    about: dict[str, list[Run]] = {}
    for run in batch.runs:
        for remark in dict.fromkeys(_remarks_on(batch, run)):
            about.setdefault(remark, []).append(run)
    for remark, runs in about.items():
        of_all = len(runs) == len(batch.runs) and not batch.shown
        is_plain = len(batch.runs) == 1 or of_all
        yield remark if is_plain else f"**{', '.join(map(batch.number_of, runs))}** {remark}"


def _remarks_on(batch: Batch, run: Run) -> Sequence[str]:
    if run.key in batch.late:
        return ["It took longer than the others and has a message of its own."]
    if not run.has_result:
        # If the requester cancelled the whole batch, the heading already says so.
        told = reason_of(run) if is_turned_away(batch.runs) else ending_sentence(run)
        reason = "" if _is_own_cancellation(batch) else told
        if len(batch.runs) > 1:
            used = "Some of your GPU time was used." if run.charged_seconds else "No GPU time was used."
            reason = f"{reason} {used}".strip()
        return [reason] if reason else []
    found = batch.prepared.get(run.key)
    if found is None:
        return ["Deleted."]
    remarks = [*left_out(run), *found.remarks]
    if run.partial:
        return [ending_sentence(run), *remarks]
    return remarks or ([] if found.files or found.texts else [say("no_outputs")])


def _footer(batch: Batch) -> Iterator[str]:
    first = batch.runs[0]
    if len(batch.runs) > 1:
        seeds = [f"**{batch.number_of(run)}:** {run.seed}" for run in batch.shown if run.seed is not None]
        if seeds:
            yield subtext([f"seeds: {' · '.join(seeds)}"])
        used = next((run.gpu_used for run in batch.runs if run.gpu_used), None)
        common = replace(first, seed=None, run_duration=None, gpu_used=used)
        yield subtext([*gpu_time_facts(batch.runs), *facts_of(common)])
    else:
        origin = [f"made from [an earlier result]({batch.origin})"] if batch.origin else []
        yield subtext([*origin, *result_facts(first)])
    if batch.shown and len(batch.numbers) > 1:
        yield subtext(["Pick a number to do more with it."])


def _rows(
    batch: Batch, offered: OfferedActions, files: Sequence[PreparedFile]
) -> Sequence[Sequence[Button[Any]]]:
    """Return the buttons under the message that shows these files.

    Actions that depend on the server's settings are behind *More*, which reads the settings at each press.
    """
    first, of_all = batch.runs[0], len(batch.runs) > 1
    more = run_button(first, Action.MORE_OF_ALL if of_all else Action.MORE)
    after_failure = [*retry(first, of_all=of_all), more]
    if not any(run.has_result for run in batch.runs) or not (of_all or batch.shown):
        return [after_failure]
    numbers, last = batch.numbers_under(files), [*again(first, offered), more]
    if not of_all:
        continued = follow_ups(first, offered, [file.filename for file in batch.files])[:ACTIONS]
        return [*(number_rows(numbers) or [continued]), last]
    shown = {file.filename for file in batch.files}
    for run in batch.runs:
        # Of each run without a picture, the first number is here.
        own = [(each, name) for each, name in batch.numbers if each.key == run.key]
        if shown.isdisjoint(name for _, name in own):
            numbers.append(own[0][0])
    numbers.sort(key=lambda each: each.number)
    # Behind a number, *Again* repeats its run. *More* repeats the whole batch.
    return [*number_rows(numbers), last[1:] if batch.shown else after_failure]


def share_messages(
    run: Run, title: str, prepared: PreparedOutputs, link: str | None, offered: OfferedActions
) -> list[OutgoingMessage]:
    """Build the messages of a result in the gallery. They ping nobody.

    The prompt is shown if `run` has one; `link` leads to the original message.
    """
    is_picture = any(file.kind is FileKind.IMAGE for file in prepared.files)
    use = [run_button(run, Action.USE)] if offered.usable and is_picture else []
    row = [run_button(run, Action.EDIT), *use, run_button(run, Action.MORE)]
    heading = f"**{escape_line(title, 80)}** by <@{run.requester_id}>"
    footer = subtext([f"[Open the original]({link})"]) if link else ""
    return _alone(run, heading, prepared, footer, row)


def opened_messages(run: Run, title: str, prepared: PreparedOutputs) -> list[OutgoingMessage]:
    """Build the messages that show a private result to a moderator."""
    row = [run_button(run, Action.DETAILS), run_button(run, Action.DELETE)]
    heading = f"**{escape_line(title, 80)}**: a private result of <@{run.requester_id}>"
    return _alone(run, heading, prepared, subtext(facts_of(run)), row)


def _alone(
    run: Run, heading: str, prepared: PreparedOutputs, footer: str, row: list[Button[Any]]
) -> list[OutgoingMessage]:
    return ResultMessages(
        run=run,
        heading=(heading, prompt_line(run)),
        footer=[footer],
        blocks=text_blocks(prepared.texts, spoiler=run.spoiler),
        remarks=prepared.remarks,
        rows=lambda _: [row],
        files=prepared.files,
        colour=COLOURS.get(run.state),
    ).messages()
