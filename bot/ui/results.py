"""What a person sees of several runs of one request: one status message, one result. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from discord import ButtonStyle, Colour, MediaGalleryItem
from discord.ui import ActionRow, Button, Container, Item, LayoutView, MediaGallery, TextDisplay

from bot.domain.runs import Run, RunState
from bot.domain.text import escape_line, shorten, strip_invisible
from bot.domain.transitions import REQUESTER_BLOCKED
from bot.strings import say
from bot.ui.components import (
    CONTENT_TEXT,
    FILES_PER_MESSAGE,
    GALLERY,
    LAYOUT_TEXT,
    PROSE_SHOWN,
    FileKind,
    OutgoingMessage,
    PreparedFile,
    PreparedOutputs,
    chunks,
    facts_of,
    fitting,
    gallery_of,
    gallery_only,
    layout_of,
    note_parts,
    phase,
    prompt_line,
    run_button,
    subtext,
    taken,
    text_blocks,
    texts,
    view_of,
)
from bot.ui.custom_ids import Action
from bot.ui.follow_ups import FollowUps, result_rows, retry_buttons, single_rows
from bot.ui.status import _titled, heading_of

_BUTTONS_A_ROW = 5
_ALT_TEXT = 500


@dataclass(frozen=True, slots=True)
class Batch:
    """All runs of one request, in their order, and what of each can be shown, by key.

    `late` are those whose success came after the others were told; it stands in a message of its own.
    """

    batch: Sequence[Run]
    prepared: Mapping[str, PreparedOutputs]
    late: Collection[str] = ()

    @property
    def lead(self) -> Run:
        return self.batch[0]

    @property
    def shown(self) -> list[Run]:
        return [run for run in self.batch if self.shows(run)]

    def shows(self, run: Run) -> bool:
        done = run.state is RunState.SUCCEEDED and run.deleted_at is None
        return done and run.key not in self.late

    def files(self) -> list[PreparedFile]:
        """Of all of them, in order."""
        return [
            replace(file, description=_caption(run)) if file.kind in GALLERY else file
            for run in self.shown
            for file in self.prepared[run.key].files
        ]


def outcome_messages(several: Batch, title: str) -> list[OutgoingMessage]:
    """The messages that end them all, the first of them pinging the requester."""
    files = several.files()
    gallery = [file for file in files if file.kind in GALLERY]
    others = [file for file in files if file.kind not in GALLERY]
    lead = several.lead
    worded = any(several.prepared[run.key].texts for run in several.shown)
    as_layout = bool(gallery or not others or worded or lead.user_install)
    if as_layout:
        first, unsaid = first_part(several, title, gallery[:FILES_PER_MESSAGE])
        more = [gallery_only(lead, chunk) for chunk in chunks(gallery[FILES_PER_MESSAGE:])]
    else:
        first, unsaid = first_part(several, title, others[:FILES_PER_MESSAGE], classic=True)
        more, others = [], others[FILES_PER_MESSAGE:]
    return [
        first,
        *more,
        *(OutgoingMessage(files=tuple(chunk)) for chunk in chunks(others)),
        *note_parts(unsaid),
    ]


def first_part(
    several: Batch, title: str, files: Sequence[PreparedFile], *, classic: bool = False
) -> tuple[OutgoingMessage, Sequence[str]]:
    """The message that has the buttons, and the notes that found no room in it."""
    lead = several.lead
    mention = None if _asked_for(several) else lead.requester_id
    heading = "\n".join(line for line in (_heading(several, title, mention), prompt_line(lead)) if line)
    footer = "\n".join(_footer(several))
    blocks = [] if classic else list(_text_blocks(several))
    limit = CONTENT_TEXT if classic else LAYOUT_TEXT
    room = limit - sum(map(len, (heading, footer, *blocks))) - 2
    notes, unsaid = fitting(list(_notes(several)), room)
    rows = _rows(several)
    if classic:
        content = "\n".join(line for line in (heading, *notes, footer) if line)
        return OutgoingMessage(
            content=content, view=view_of(rows), files=tuple(files), mention=mention
        ), unsaid
    items: list[Item[LayoutView]] = [TextDisplay(heading)]
    if files:
        items.append(gallery_of(lead, files))
    items += texts(*([block] for block in blocks), notes, [footer])
    items += [ActionRow[LayoutView](*row) for row in rows]
    layout = layout_of(Container(*items, accent_colour=_colour(several)))
    return OutgoingMessage(layout=layout, files=tuple(files), mention=mention), unsaid


def single_layout(run: Run, title: str, pictures: Sequence[str], onward: FollowUps) -> LayoutView:
    """One of them by itself, with its own buttons. `pictures` are links to them."""
    heading = say("several_one", number=_number(run), count=run.batch_size, title=escape_line(title, 80))
    done = run.state is RunState.SUCCEEDED
    items: list[Item[LayoutView]] = [*texts([heading, prompt_line(run)])]
    gone = say("several_deleted") if run.deleted_at is not None else ""
    if pictures and not gone:
        items.append(MediaGallery(*(MediaGalleryItem(url, spoiler=run.spoiler) for url in pictures)))
    facts = facts_of(run) if done else facts_of(run) + charge(run)
    items += texts([gone if done else reason(run), subtext(facts)])
    items += [ActionRow[LayoutView](*row) for row in single_rows(run, onward, picture=bool(pictures))]
    layout = layout_of(Container(*items, accent_colour=COLOURS.get(run.state)))
    layout.stop()
    return layout


def _caption(run: Run) -> str:
    """A picture's description, which begins with its number."""
    return shorten(
        f"{_number(run)}: {strip_invisible(run.prompt)}" if run.prompt else str(_number(run)), _ALT_TEXT
    )


def _number(run: Run) -> int:
    return run.batch_index + 1


def _heading(several: Batch, title: str, mention: int | None) -> str:
    lead, shown = several.lead, several.shown
    if shown:
        code = "several_title" if len(shown) == lead.batch_size else "several_title_some"
        said = say(code, title=escape_line(title, 80), count=lead.batch_size, done=len(shown))
    else:
        ended = next((run for run in several.batch if run.key not in several.late), lead)
        said = f"{say(heading_of(replace(ended, cancel_requested_at=None)))}: {_titled(lead, title)}"
    return f"{say('mention', user=mention)} **{said}**" if mention else f"### {said}"


def _asked_for(several: Batch) -> bool:
    return all(run.failure_code == "cancelled_by_requester" for run in several.batch)


def _colour(several: Batch) -> Colour | None:
    if all(run.state is RunState.SUCCEEDED for run in several.batch):
        return COLOURS[RunState.SUCCEEDED]
    return COLOURS[RunState.TIMED_OUT] if several.shown else COLOURS.get(several.lead.state)


def _text_blocks(several: Batch) -> Iterator[str]:
    """What each of them wrote, in one block for each."""
    for run in several.shown:
        room = PROSE_SHOWN // run.batch_size
        blocks = text_blocks(several.prepared[run.key].texts, spoiler=run.spoiler, space=room)
        if blocks:
            yield "\n".join([f"**{_number(run)}**", *blocks])


def _notes(several: Batch) -> Iterator[str]:
    """Why one or the other is not there: what is the same of several once, with their numbers; without
    them, where it is so of all."""
    about: dict[str, list[Run]] = {}
    for run in several.batch:
        for note in dict.fromkeys(_about(several, run)):
            about.setdefault(note, []).append(run)
    for note, runs in about.items():
        numbers = ", ".join(str(_number(run)) for run in runs)
        alike = len(runs) == len(several.batch) and not several.shown
        yield note if alike else say("several_note", number=numbers, note=note)


def _about(several: Batch, run: Run) -> Sequence[str]:
    if run.key in several.late:
        return [say("several_late")]
    if run.state is not RunState.SUCCEEDED:
        return [reason_with_charge(run)]
    if run.deleted_at is not None:
        return [say("several_deleted")]
    found = several.prepared[run.key]
    nothing = not (found.files or found.texts or found.notes)
    return [say("no_outputs")] if nothing else found.notes


def _footer(several: Batch) -> Iterator[str]:
    shown = several.shown
    seeds = [say("several_seed", number=_number(run), seed=run.seed) for run in shown if run.seed is not None]
    yield from filter(None, [subtext(seeds)])
    took = taken(several.batch, "several_took")
    used = next((run.gpu_used for run in several.batch if run.gpu_used), None)
    in_common = replace(several.lead, seed=None, run_duration=None, gpu_used=used)
    yield from filter(None, [subtext([*took, *facts_of(in_common)])])
    if shown:
        yield subtext([say("several_hint")])


def _rows(several: Batch) -> list[list[Button[Any]]]:
    """A number for each of them, then what concerns them all."""
    lead = several.lead
    numbers: list[Button[Any]] = [
        run_button(run, Action.PICK, "several_number", number=_number(run)) for run in several.batch
    ]
    rows = [numbers[start : start + _BUTTONS_A_ROW] for start in range(0, len(numbers), _BUTTONS_A_ROW)]
    if not several.shown:
        # Where a moderator said no, the same once more is not what to offer.
        said_no = lead.state is RunState.REJECTED or lead.failure_code == REQUESTER_BLOCKED
        again = run_button(lead, Action.REPEAT, "button_try_again", ButtonStyle.primary)
        return [*rows, *([] if said_no else [[again]])]
    last = [
        run_button(lead, Action.REPEAT, "button_again"),
        run_button(lead, Action.CLEAR, "button_delete"),
    ]
    if lead.guild_id is not None:
        last.append(run_button(lead, Action.REPORT, "button_report"))
    return [*rows, last]


_NOWHERE = FollowUps()
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


def run_outcome_messages(
    run: Run, title: str, prepared: PreparedOutputs, onward: FollowUps = _NOWHERE
) -> list[OutgoingMessage]:
    """The messages that end a run, the first of them pinging the requester."""
    if run.state is RunState.SUCCEEDED:
        return _result_parts(run, title, prepared, onward)
    return [_ending(run, title, prepared.notes)]


def withheld_part(run: Run, *, postable: bool) -> OutgoingMessage:
    """Instead of an age-restricted result; `postable`: where it could still stand, once that is marked."""
    heading = f"{say('mention', user=run.requester_id)} **{say('withheld_heading')}**"
    buttons = [run_button(run, Action.DETAILS, "button_details")]
    if postable:
        buttons.insert(0, run_button(run, Action.POST, "button_post"))
    container = Container(
        *texts([heading, prompt_line(run)], [say("withheld")]),
        ActionRow(*buttons),
        accent_colour=COLOURS[RunState.SUCCEEDED],
    )
    return OutgoingMessage(layout=layout_of(container), mention=run.requester_id)


def _ending(run: Run, title: str, notes: Sequence[str]) -> OutgoingMessage:
    """Anything but a result: what happened, what to do."""
    asked_for = run.failure_code == "cancelled_by_requester"
    mention = None if asked_for else run.requester_id
    said = f"{say(phase(run.state))}: {escape_line(title, 80)}"
    heading = f"{say('mention', user=mention)} **{said}**" if mention else f"### {said}"
    container = Container(
        *texts([heading, prompt_line(run)], [reason(run), *notes, subtext(facts_of(run) + charge(run))]),
        ActionRow(*retry_buttons(run)),
        accent_colour=COLOURS[run.state],
    )
    return OutgoingMessage(layout=layout_of(container), mention=mention)


def was_free(run: Run) -> bool:
    """Whether it is known to have cost nothing: it never ran."""
    unknown = run.state in (RunState.UNCONFIRMED, RunState.TIMED_OUT)
    return not unknown and run.started_at is None and run.run_duration is None


def charge(run: Run) -> list[str]:
    """Whether anything was charged, as far as that is known."""
    if was_free(run):
        return [say("charged_nothing")]
    return [say("charged_time")] if run.run_duration is not None else []


def reason(run: Run) -> str:
    """Why a run ended as it did, in words."""
    code = run.failure_code or "internal"
    if code == "comfy_invalid" and not run.failure_params.get("fields"):
        code = "comfy_invalid_unnamed"
    params = {
        name: escape_line(value, 100) if isinstance(value, str) else value
        for name, value in run.failure_params.items()
    }
    return say(code, **params)


def reason_with_charge(run: Run) -> str:
    """`reason`, and whether anything was charged, as far as that is known."""
    if was_free(run):
        return say("failed_free", reason=reason(run))
    return reason(run) if run.run_duration is None else say("failed_charged", reason=reason(run))


def _result_parts(
    run: Run, title: str, prepared: PreparedOutputs, onward: FollowUps
) -> list[OutgoingMessage]:
    gallery = [file for file in prepared.files if file.kind in GALLERY]
    others = [file for file in prepared.files if file.kind not in GALLERY]
    parts = []
    # An answer that began as a layout can't become a classic message.
    if gallery or prepared.texts or not others or run.user_install:
        first_part, unsaid = _result_layout(run, title, gallery[:FILES_PER_MESSAGE], prepared, onward)
        parts.append(first_part)
        parts += [gallery_only(run, chunk) for chunk in chunks(gallery[FILES_PER_MESSAGE:])]
        parts += [OutgoingMessage(files=tuple(chunk)) for chunk in chunks(others)]
    else:
        first, *rest = chunks(others)
        first_part, unsaid = _result_classic(run, title, first, prepared, onward)
        parts.append(first_part)
        parts += [OutgoingMessage(files=tuple(chunk)) for chunk in rest]
    return [*parts, *note_parts(unsaid)]


def _result_layout(
    run: Run, title: str, files: Sequence[PreparedFile], prepared: PreparedOutputs, onward: FollowUps
) -> tuple[OutgoingMessage, Sequence[str]]:
    """Pictures and videos in a gallery, short texts quoted; and the notes that found no room."""
    heading, facts = _result_heading(run, title), subtext(facts_of(run))
    blocks = text_blocks(prepared.texts, spoiler=run.spoiler)
    empty = not (prepared.files or prepared.texts or prepared.notes)
    room = LAYOUT_TEXT - sum(map(len, (heading, facts, *blocks))) - 1
    notes, unsaid = fitting([say("no_outputs")] if empty else prepared.notes, room)
    items: list[Item[LayoutView]] = [TextDisplay(heading)]
    if files:
        items.append(gallery_of(run, files))
    items += texts(*([block] for block in blocks), [*notes, facts])
    picture = any(file.kind is FileKind.IMAGE for file in files)
    items += [ActionRow[LayoutView](*row) for row in result_rows(run, onward, picture=picture)]
    colour = COLOURS[RunState.TIMED_OUT if empty else RunState.SUCCEEDED]
    layout = layout_of(Container(*items, accent_colour=colour))
    return OutgoingMessage(layout=layout, files=tuple(files), mention=run.requester_id), unsaid


def _result_classic(
    run: Run, title: str, files: Sequence[PreparedFile], prepared: PreparedOutputs, onward: FollowUps
) -> tuple[OutgoingMessage, Sequence[str]]:
    """Audio and other files: components v2 has no player and no preview for them."""
    heading, facts = _result_heading(run, title), subtext(facts_of(run))
    notes, unsaid = fitting(prepared.notes, CONTENT_TEXT - len(heading) - len(facts) - 2)
    view = view_of(result_rows(run, onward, picture=False))
    content = "\n".join(line for line in (heading, *notes, facts) if line)
    return OutgoingMessage(content=content, view=view, files=tuple(files), mention=run.requester_id), unsaid


def _result_heading(run: Run, title: str) -> str:
    lines = [f"{say('mention', user=run.requester_id)} **{escape_line(title, 80)}**", prompt_line(run)]
    return "\n".join(line for line in lines if line)
