"""The buttons under an outcome, at places that are the same for every result and everybody.

A result has follow-ups, then *Again*, *4 more*, *Edit* and *More*. If it shows several pictures, each has a
number instead of the follow-ups. Everything else, such as *Delete*, is in the private views behind a number
and behind *More*.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from discord import ButtonStyle, MediaGalleryItem, SelectOption
from discord.ui import Button, Item, LayoutView, MediaGallery, Section, Select, Thumbnail

from bot.deployments.files import is_kind, media_type
from bot.deployments.inputs import AttachedFile
from bot.deployments.merge import VARY_COUNT
from bot.deployments.model import Deployment, FollowUp, deployment_of, follow_ups_of
from bot.domain.files import GALLERY, FileKind, PreparedOutputs
from bot.domain.forms import FORM_LIMIT
from bot.domain.runs import REQUESTER_BLOCKED, Run, RunState
from bot.domain.text import escape_line, shorten
from bot.ui.custom_ids import Action, DeleteId, DraftId, PickId
from bot.ui.message_parts import (
    Content,
    button,
    fitting,
    framed,
    layout_of,
    lines,
    run_button,
    subtext,
    text_blocks,
)
from bot.ui.run_facts import COLOURS, batch_title, ending_sentence, left_out, prompt_line, result_facts

# Failure codes with which the same request would end again.
_FINAL = frozenset({REQUESTER_BLOCKED, "parent_deleted"})
# At most this many configured follow-ups get a button under a result.
ACTIONS = 3
Row = Sequence[Item[LayoutView]]


@dataclass(frozen=True, slots=True)
class OfferedActions:
    """The actions that are possible with a result now, and to the one user who sees a private view.

    A batch of `VARY_COUNT` is allowed if `vary`; some deployment takes the picture if it is `usable`. It is
    `postable` if it can be posted apart from its batch. The user may read everything about the run if it is
    `detailed`, start from it if it is `startable`, and use its inputs again if it is `repeatable`.
    """

    vary: bool = False
    usable: bool = False
    reportable: bool = False
    shareable: bool = False
    postable: bool = False
    follow_ups: tuple[FollowUp, ...] = ()
    startable: bool = True
    repeatable: bool = True
    deletable: bool = True
    detailed: bool = True


def number_rows(numbers: Sequence[PickId]) -> list[list[Button[Any]]]:
    buttons = [button(str(each.number), each) for each in numbers]
    return [buttons[at : at + FORM_LIMIT] for at in range(0, len(buttons), FORM_LIMIT)]


def files_of(run: Run) -> list[str]:
    return [output.filename or output.url.partition("?")[0] for output in run.visible if output.url]


def follow_ups(run: Run, offered: OfferedActions, names: Iterable[str]) -> list[Button[Any]]:
    """Return the follow-ups that take one of the files with these names."""
    files = [AttachedFile("", name, None, 1) for name in names]
    return [
        Button(label=each.label, custom_id=DraftId(run.key, each.reference).encode())
        for each in offered.follow_ups
        if any(is_kind(kind, file) for kind in each.takes for file in files)
    ]


def retry(run: Run, *, of_all: bool) -> list[Button[Any]]:
    """Return *Try again*, unless the request would end again, and *Edit*."""
    edit = run_button(run, Action.EDIT)
    # After a rejection, a block or the deletion of a file that it needs, the request would end again.
    if run.state is RunState.REJECTED or run.failure_code in _FINAL:
        return [edit]
    action, label = (Action.REPEAT, f"Try again ×{run.count}") if of_all else (Action.AGAIN, "Try again")
    return [run_button(run, action, label, ButtonStyle.primary), edit]


def again(run: Run, offered: OfferedActions) -> list[Button[Any]]:
    """Return *Again*, *4 more* if it is offered, and *Edit*."""
    # The label states the number of variations, since each of them costs a run.
    vary = [run_button(run, Action.VARY, f"{VARY_COUNT} more")] if offered.vary else []
    return [run_button(run, Action.AGAIN), *vary, run_button(run, Action.EDIT)]


def offered_actions(
    run: Run, deployments: Sequence[Deployment], allowed: OfferedActions | None = None
) -> OfferedActions:
    """Return what the current deployments offer for a run, with what is `allowed` to one user."""
    deployment, allowed = deployment_of(run, deployments), allowed or OfferedActions()
    usable = allowed.startable and run.is_shown
    return replace(
        allowed,
        vary=deployment is not None and deployment.max_count >= VARY_COUNT,
        repeatable=allowed.startable and run.erased_at is None,
        usable=usable and any(each.picture_input for each in deployments),
        follow_ups=follow_ups_of(run, deployments) if usable else (),
    )


_PICKED_REMARKS = 1000  # characters


def picked_layout(
    run: Run,
    number: int,
    title: str,
    files: Sequence[AttachedFile],
    linked: PreparedOutputs,
    offered: OfferedActions,
) -> LayoutView:
    """Build the view behind a number, which is a run of a batch or one picture of a result with several.

    `files` are those of the pressed message; without any, the view has the links in `linked`.
    """
    kinds = [(file, FileKind.of(media_type(file))) for file in files]
    media = [MediaGalleryItem(file.url, spoiler=run.spoiler) for file, kind in kinds if kind in GALLERY]
    others = [file for file, kind in kinds if kind not in GALLERY]
    shown = list[Content]()
    remarks = ["Deleted."] if run.deleted_at is not None else []
    if not remarks:
        shown += [MediaGallery(*media)] if media else []
        shown += text_blocks(linked.texts, spoiler=run.spoiler)
        ended = [] if run.state is RunState.SUCCEEDED else [ending_sentence(run)]
        links = [f"[{escape_line(file.filename, 80)}]({file.url})" for file in others]
        told = [shorten(each, _PICKED_REMARKS) for each in (links if files else linked.remarks)]
        remarks = [*ended, *([] if run.visible else left_out(run)), *fitting(told, _PICKED_REMARKS)[0]]
    picture = any(kind is FileKind.IMAGE for _, kind in kinds)
    above = lines(f"### {escape_line(title, 80)}: number {number}", prompt_line(run))
    below = lines(*remarks, subtext(result_facts(run)))
    colour = COLOURS[RunState.TIMED_OUT] if run.partial else COLOURS.get(run.state)
    return framed(colour, above, *shown, below, *_picked_rows(run, offered, picture=picture))


def more_layout(
    batch: Sequence[Run],
    title: str,
    offered: OfferedActions,
    delete: DeleteId,
    pictures: Sequence[str],
) -> LayoutView:
    """Build the view behind *More* of a batch, or of a single result or failure.

    `pictures` are links to the pictures of the message whose *More* was pressed.
    """
    first, rows = batch[0], list[Row]()
    text = lines(f"**{batch_title(title, len(batch))}**", prompt_line(first))
    about: Content = text
    if pictures and first.deleted_at is None:
        about = Section(text, accessory=Thumbnail(pictures[0], spoiler=any(run.spoiler for run in batch)))
    run = next((run for run in batch if run.is_shown), first)
    if delete.whole:
        is_repeatable = offered.repeatable and run.is_shown
        rows.append(
            [
                *_button_if(is_repeatable, first, Action.REPEAT, f"Again ×{len(batch)}"),
                *_button_if(offered.repeatable, first, Action.SAVE),
                run_button(first, Action.DETAILS),
            ]
        )
    else:
        # If there are several pictures, follow-ups are behind their numbers.
        if first.is_shown and len(pictures) <= 1:
            rows.append(_select(first, follow_ups(first, offered, files_of(first))))
        # The result itself has been posted already.
        rows.append(_actions(first, replace(offered, postable=False), picture=len(pictures) == 1))
    last = button("Delete", delete, ButtonStyle.danger)
    return layout_of(about, *rows, _last_row(run, offered, last))


def _actions(run: Run, offered: OfferedActions, *, picture: bool) -> Row:
    return [
        *_button_if(offered.usable and picture, run, Action.USE),
        *_button_if(offered.postable, run, Action.POST),
        *_button_if(offered.shareable, run, Action.SHARE),
        *_button_if(run.has_result and offered.repeatable and offered.detailed, run, Action.SAVE),
        *_button_if(offered.detailed, run, Action.DETAILS),
    ]


def _picked_rows(run: Run, offered: OfferedActions, *, picture: bool) -> Iterator[Row]:
    if not run.has_result:
        repeat = retry(run, of_all=False) if offered.repeatable else []
        yield [*repeat, run_button(run, Action.DETAILS)]
        return
    found = follow_ups(run, offered, files_of(run) if run.is_shown else ())
    yield found[:ACTIONS]
    yield _select(run, found[ACTIONS:])
    yield again(run, offered) if offered.repeatable else []
    yield _actions(run, offered, picture=picture)
    files = sum(output.url is not None for output in run.visible)  # they go together
    delete = run_button(run, Action.DELETE, f"Delete all {files}" if files > 1 else "")
    # No interaction reaches a private message with the number, so the picture couldn't be taken out of it.
    yield _last_row(run, offered, None if run.needs_interaction else delete)


def _last_row(run: Run, offered: OfferedActions, delete: Button[Any] | None) -> Row:
    """Return *Report*, which is about the whole batch, and *Delete*, unless the result is gone."""
    report = _button_if(offered.reportable, replace(run, key=run.request_key), Action.REPORT)
    is_gone = run.has_result and not run.is_shown
    return [*report, *([delete] if delete is not None and offered.deletable and not is_gone else [])]


def _button_if(condition: bool, run: Run, action: Action, label: str = "") -> list[Button[Any]]:
    return [run_button(run, action, label)] if condition else []


def _select(run: Run, follow_ups: Sequence[Button[Any]]) -> Row:
    options = [SelectOption(label=each.label or "", value=each.custom_id or "") for each in follow_ups]
    custom_id = DraftId(run.key).encode()
    return [Select(placeholder="Choose a follow-up", options=options, custom_id=custom_id)] if options else []
