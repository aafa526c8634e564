"""The messages of a batch's outcome: its results, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from discord import Colour, MediaGalleryItem
from discord.ui import ActionRow, Button, Item, LayoutView, MediaGallery, Section, TextDisplay, Thumbnail

from bot.domain.runs import Run, RunState
from bot.domain.text import escape_line, shorten, strip_invisible
from bot.domain.text.file_names import number_in
from bot.domain.transitions import REQUESTER_BLOCKED, is_turned_away, may_have_result
from bot.strings import say
from bot.ui.custom_ids import Action
from bot.ui.message_parts import (
    COLOURS,
    CONTENT_TEXT,
    GALLERY,
    LAYOUT_TEXT,
    PROSE_SHOWN,
    OutgoingMessage,
    PreparedFile,
    PreparedOutputs,
    chunks,
    ending,
    facts_of,
    fitting,
    further_messages,
    gallery_of,
    gpu_time_facts,
    prompt_line,
    reason_of,
    subtext,
    text_blocks,
    texts,
    weighted_time_facts,
)
from bot.ui.result_buttons import (
    Number,
    OfferedActions,
    Row,
    batch_rows,
    failure_rows,
    fitting_follow_ups,
    hidden_rows,
    hidden_rows_of_all,
    picked_rows,
    result_rows,
)
from bot.ui.status import batch_title, in_common
from bot.ui.views import framed, layout_of, view_of

_ALT_TEXT = 500
_NONE_OFFERED = OfferedActions()


@dataclass(frozen=True, slots=True)
class Batch:
    """The runs of one outcome, in order.

    `prepared` holds the outputs to show, by run key. A run has no entry if it has no result, if its result
    was deleted, or if its key is in `late`. Late successes are shown in separate messages. `origin` is a link
    to the result whose file a single run took as input.
    """

    runs: Sequence[Run]
    prepared: Mapping[str, PreparedOutputs]
    late: Collection[str] = ()
    origin: str | None = None

    @property
    def numbered(self) -> bool:
        """Return whether there are several runs, so that texts and remarks show numbers."""
        return len(self.runs) > 1

    @property
    def numbers(self) -> list[tuple[Number, str]]:
        """Return the numbers of all pictures and videos in order, with the names of their files.

        A run without any has a number, too, with an empty name.
        """
        files = [(run, name) for run in self.runs for name in self._pictures(run) or [""]]
        return [(Number(run, n, number_in(name)), name) for n, (run, name) in enumerate(files, 1)]

    def _pictures(self, run: Run) -> list[str]:
        prepared = self.prepared.get(run.key, PreparedOutputs())
        return [file.filename for file in prepared.files if file.kind in GALLERY]

    def number_of(self, run: Run) -> str:
        """Return the numbers of a run, such as "2" or "3, 4"."""
        return ", ".join(str(each.number) for each, _ in self.numbers if each.run is run)

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
        numbers = {name: number for number, name in self.numbers} if len(self.numbers) > 1 else {}
        return [
            replace(file, description=_caption(numbers[file.filename])) if file.filename in numbers else file
            for run in self.shown
            for file in self.prepared[run.key].files
        ]


def outcome_messages(
    batch: Batch, title: str, offered: OfferedActions = _NONE_OFFERED
) -> list[OutgoingMessage]:
    """Build the messages of an outcome. The first has the buttons, and pings the requester unless they
    cancelled the batch themselves.
    """
    files = batch.files()
    gallery = [file for file in files if file.kind in GALLERY]
    others = [file for file in files if file.kind not in GALLERY]
    has_texts = any(batch.prepared[run.key].texts for run in batch.shown)
    # If only interactions can show the outcome, it is an edit of the status message. That message is a
    # layout, and a layout can't become a classic message.
    is_classic = bool(others) and not (gallery or has_texts or batch.first.needs_interaction)
    shown, *further = chunks(others if is_classic else gallery) or [()]
    first, left = first_message(batch, title, shown, offered, classic=is_classic)
    galleries, files_left = ([], further) if is_classic else (further, chunks(others))
    return [first, *further_messages(batch.first, galleries, files_left, left)]


def first_message(
    batch: Batch,
    title: str,
    files: Sequence[PreparedFile],
    offered: OfferedActions = _NONE_OFFERED,
    *,
    classic: bool = False,
) -> tuple[OutgoingMessage, Sequence[str]]:
    """Build the first message of an outcome. Also return the remarks that don't fit into it.

    A `classic` message has an audio player and previews of other files, which a layout lacks.
    """
    first, mention = batch.first, _mention(batch)
    heading = "\n".join(line for line in (_heading(batch, title, mention), prompt_line(first)) if line)
    footer = "\n".join(line for line in _footer(batch, offered) if line)
    blocks = [] if classic else list(_text_blocks(batch))
    space = (CONTENT_TEXT if classic else LAYOUT_TEXT) - sum(map(len, (heading, footer, *blocks))) - 2
    remarks, left = fitting(list(_remarks(batch)), space)
    rows = _rows(batch, offered, files)
    if classic:
        content = "\n".join(line for line in (heading, *remarks, footer) if line)
        return OutgoingMessage(content=content, view=view_of(rows), files=tuple(files), mention=mention), left
    items: list[Item[LayoutView]] = [TextDisplay(heading)]
    if files:
        items.append(gallery_of(first, files))
    items += texts(*([block] for block in blocks), [*remarks, footer])
    items += [ActionRow[LayoutView](*row) for row in rows]
    layout = framed(_colour(batch), *items)
    return OutgoingMessage(layout=layout, files=tuple(files), mention=mention), left


def picked_layout(
    run: Run, number: int, title: str, pictures: Sequence[str], offered: OfferedActions
) -> LayoutView:
    """Build the view behind a number, which is a run of a batch or one picture of a result with several.

    `pictures` are links to its pictures.
    """
    heading = say("several_one", number=number, title=escape_line(title, 80))
    items: list[Item[LayoutView]] = [*texts([heading, prompt_line(run)])]
    deleted = say("several_deleted") if run.deleted_at is not None else ""
    if pictures and not deleted:
        items.append(MediaGallery(*(MediaGalleryItem(url, spoiler=run.spoiler) for url in pictures)))
    remark = deleted if deleted or run.state is RunState.SUCCEEDED else _ending_sentence(run)
    items += texts([remark, subtext(_facts(run))])
    items += _action_rows(picked_rows(run, offered, picture=bool(pictures)))
    colour = COLOURS[RunState.TIMED_OUT] if run.partial else COLOURS.get(run.state)
    return framed(colour, *items)


def more_layout(
    run: Run,
    title: str,
    offered: OfferedActions,
    message_id: int,
    shown: Collection[str],
    pictures: Sequence[str],
) -> LayoutView:
    """Build the view behind *More* of a single result or a failure.

    `message_id` is the message whose *More* was pressed, `shown` are the custom_ids in it, and `pictures` are
    links to its pictures.
    """
    rows = hidden_rows(run, offered, message_id, shown, len(pictures))
    return layout_of(_about(run, batch_title(title, 1), pictures), *_action_rows(rows))


def more_layout_of_all(
    batch: Sequence[Run], title: str, offered: OfferedActions, pictures: Sequence[str]
) -> LayoutView:
    """Build the view behind *More* of a batch. `pictures` are links to the pictures of its message."""
    about = _about(batch[0], batch_title(title, len(batch)), pictures)
    return layout_of(about, *_action_rows(hidden_rows_of_all(batch, offered)))


def _about(run: Run, title: str, pictures: Sequence[str]) -> Item[LayoutView]:
    """Return what a view is about: the title and the prompt, with a small picture if there is one."""
    text = "\n".join(line for line in (f"**{title}**", prompt_line(run)) if line)
    if not pictures or run.deleted_at is not None:
        return TextDisplay(text)
    return Section(text, accessory=Thumbnail(pictures[0], spoiler=run.spoiler))


def _action_rows(rows: Iterable[Row]) -> list[ActionRow[LayoutView]]:
    return [ActionRow[LayoutView](*row) for row in rows if row]


def _mention(batch: Batch) -> int | None:
    """Return the user to ping: the requester, unless they cancelled the batch themselves."""
    cancelled = not batch.shown and all(_is_own_cancellation(run) for run in batch.runs)
    return None if cancelled else batch.first.requester_id


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
        heading = f"{say('title_partial')}: {heading}"
    elif done < count:
        heading = say("several_title_some", title=escape_line(title, 80), count=count, done=done)
    return f"{say('mention', user=mention)} **{heading}**" if mention else f"### {heading}"


def _colour(batch: Batch) -> Colour | None:
    if all(run.state is RunState.SUCCEEDED for run in batch.runs):
        empty = not batch.numbered and batch.shown and _is_empty(batch.prepared[batch.first.key])
        return COLOURS[RunState.TIMED_OUT if empty else RunState.SUCCEEDED]
    return COLOURS[RunState.TIMED_OUT] if batch.shown else COLOURS.get(batch.first.state)


def _is_empty(prepared: PreparedOutputs) -> bool:
    return not (prepared.files or prepared.texts or prepared.remarks)


def _caption(number: Number) -> str:
    """Return a picture's description, prefixed with its number."""
    prompt = number.run.prompt
    text = f"{number.number}: {strip_invisible(prompt)}" if prompt else str(number.number)
    return shorten(text, _ALT_TEXT)


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
        yield say("several_note", number=numbers, note=remark) if numbered else remark


def _remarks_on(batch: Batch, run: Run) -> Sequence[str]:
    if run.key in batch.late:
        return [say("several_late")]
    if not run.has_result:
        # If the requester cancelled the whole batch, the heading already says so.
        reason = "" if all(_is_own_cancellation(each) for each in batch.runs) else reason_of(run)
        if run.failure_code == REQUESTER_BLOCKED and not is_turned_away(batch.runs):
            reason = say("ended_by_block")
        remark = _reason_with_charge(run, reason) if batch.numbered else reason
        return [remark] if remark else []
    found = batch.prepared.get(run.key)
    if found is None:
        return [say("several_deleted")]
    if run.partial:
        return [_ending_sentence(run), *found.remarks]
    return [say("no_outputs")] if _is_empty(found) else found.remarks


def _footer(batch: Batch, offered: OfferedActions) -> Iterator[str]:
    if batch.numbered:
        yield from _footer_of_several(batch)
    else:
        origin = [say("made_from", url=batch.origin)] if batch.origin else []
        yield subtext([*origin, *_facts(batch.first)])
    if batch.shown and len(batch.numbers) > 1:
        yield subtext([_hint(batch, offered)])


def _footer_of_several(batch: Batch) -> Iterator[str]:
    shown = batch.shown
    seeds = [
        say("several_seed", number=batch.number_of(run), seed=run.seed)
        for run in shown
        if run.seed is not None
    ]
    if seeds:
        yield subtext([say("several_seeds", seeds=" · ".join(seeds))])
    used = next((run.gpu_used for run in batch.runs if run.gpu_used), None)
    facts = [*gpu_time_facts(batch.runs), *facts_of(replace(in_common(batch.runs), gpu_used=used))]
    yield subtext(facts)


def _hint(batch: Batch, offered: OfferedActions) -> str:
    """Say what a press of a number leads to."""
    follow_up = next(iter(fitting_follow_ups(offered, {file.kind for file in batch.files()})), None)
    actions = [follow_up.label.lower()] if follow_up is not None else []
    actions.append(say("several_hint_edit"))
    if batch.numbered and not batch.first.needs_interaction:
        actions.append(say("several_hint_post"))
    *others, last = actions
    return say("several_hint", actions=f"{', '.join(others)} or {last}" if others else last)


def _facts(run: Run) -> list[str]:
    """Return facts about a run. Without a result, they begin with what it used."""
    # A weighted time already says that it counts.
    if run.has_result or weighted_time_facts([run]):
        return facts_of(run)
    return [_used(run), *facts_of(replace(run, run_duration=None))]


def _used(run: Run) -> str:
    """Return how much GPU time a run without a result has used."""
    if not run.charged_seconds:
        return say("charged_nothing_cancelled" if run.state is RunState.CANCELLED else "charged_nothing")
    code = "counted" if run.known_duration is None else "charged_time"
    return say(code, seconds=max(1, round(run.charged_seconds)))


def _ending_sentence(run: Run) -> str:
    """Return the reason why a run did not succeed. For a partial result, add that the outputs were made
    before the run ended.
    """
    if not run.partial:
        return say("ended_by_block") if run.failure_code == REQUESTER_BLOCKED else reason_of(run)
    # A verdict's state is the bot's own, so its failure code tells how ComfyDeploy ended the run.
    code = run.failure_code or ""
    end = code.removeprefix("run_") if code.startswith("run_") else run.state.value
    return f"{reason_of(run)} {say(f'made_before_{end}')}"


def _reason_with_charge(run: Run, reason: str) -> str:
    code = "failed_charged" if run.charged_seconds else "failed_free" if reason else "failed_free_cancelled"
    return say(code, reason=reason).strip()


def _rows(
    batch: Batch, offered: OfferedActions, files: Sequence[PreparedFile]
) -> Sequence[Sequence[Button[Any]]]:
    """Return the buttons of a message with these files, some of which may be in further messages."""
    if not any(map(may_have_result, batch.runs)):
        return failure_rows(batch.first, Action.MORE_OF_ALL if batch.numbered else Action.MORE)
    here, all_numbers, numbers = {file.filename for file in files}, batch.numbers, list[Number]()
    for run in batch.runs:
        own = [(each, name) for each, name in all_numbers if each.run is run]
        # A run whose pictures are all in further messages has one number here.
        numbers += [each for each, name in own if name in here] or [own[0][0]]
    if batch.numbered:
        return batch_rows(numbers, offered, shown=bool(batch.shown))
    if not batch.shown:
        return failure_rows(batch.first)
    kinds = {file.kind for file in batch.files()}
    return result_rows(batch.first, offered, kinds, numbers if len(numbers) > 1 else ())
