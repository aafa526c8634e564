"""The buttons under an outcome, at places that are the same for every result and everybody.

A result has follow-ups, then *Again*, *4 more*, *Edit* and *More*. If it shows several pictures, each has a
number instead of the follow-ups. Everything else, such as *Delete*, is behind *More*.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from discord import ButtonStyle, SelectOption
from discord.ui import Button, Item, LayoutView, Select

from bot.deployments.files import AttachedFile, media_type
from bot.deployments.merge import VARY_COUNT
from bot.deployments.model import Deployment, FollowUp, deployment_of, taking_pictures
from bot.domain.backend import InputKind
from bot.domain.runs import Run, RunState
from bot.domain.transitions import REQUESTER_BLOCKED
from bot.strings import say
from bot.ui.custom_ids import Action, DeleteId, DraftId, PickId
from bot.ui.message_parts import FileKind, run_button

BUTTONS_A_ROW = 5  # Discord's limit
# Failure codes with which the same request would end again.
_FINAL = frozenset({REQUESTER_BLOCKED, "parent_deleted"})
# At most this many configured follow-ups get a button under a result.
_ACTIONS = 3
_TAKING = {
    FileKind.IMAGE: {InputKind.IMAGE, InputKind.IMAGES, InputKind.FILE},
    FileKind.VIDEO: {InputKind.VIDEO, InputKind.FILE},
    FileKind.AUDIO: {InputKind.AUDIO, InputKind.FILE},
    FileKind.OTHER: {InputKind.FILE},
}
Row = Sequence[Item[LayoutView]]


@dataclass(frozen=True, slots=True)
class OfferedActions:
    """The actions that are possible with a result now.

    `vary` means that the deployment allows a batch of `VARY_COUNT`, and `usable` that the result can be the
    picture input of a deployment. `reportable` means that the server has a review channel for reports. The
    result can be shared in the server's gallery if it is `shareable`, and posted apart from its batch if it
    is `postable`. `follow_ups` are those that the operator configured for the deployment.

    In a view that only one user sees, `startable` means that they may start from the run, and `deletable`
    that they may delete its result.
    """

    vary: bool = False
    usable: bool = False
    reportable: bool = False
    shareable: bool = False
    postable: bool = False
    follow_ups: tuple[FollowUp, ...] = ()
    startable: bool = True
    deletable: bool = True


@dataclass(frozen=True, slots=True)
class Number:
    """A numbered button of a run. `file` is the number of its picture in the run, or 0 for all of them."""

    run: Run
    number: int
    file: int = 0


def discard_button(run: Run) -> Button[Any]:
    """Return the button that deletes a message without a result."""
    return run_button(run, Action.DISCARD, "button_delete")


def offers_retry(run: Run) -> bool:
    """Return False if a rejection, a block or the deletion of a file that it needs ended the request."""
    return run.state is not RunState.REJECTED and run.failure_code not in _FINAL


def result_rows(
    run: Run, offered: OfferedActions, kinds: Collection[FileKind], numbers: Sequence[Number] = ()
) -> list[list[Button[Any]]]:
    """Return the buttons under a single result. `kinds` are the kinds of its files, and `numbers` those of
    its pictures, if it has several.

    Actions that depend on the server's settings are behind *More*, which reads the settings at each press.
    """
    above = number_rows(numbers) if numbers else [_follow_ups(run, offered, kinds)[:_ACTIONS]]
    last = [*_again(run, offered), *more_buttons(run, Action.MORE, Action.DELETE)]
    return [row for row in (*above, last) if row]


def batch_rows(numbers: Sequence[Number], offered: OfferedActions, *, shown: bool) -> list[list[Button[Any]]]:
    """Return the buttons under a batch. `shown` says whether it shows the outputs of at least one run."""
    first = numbers[0].run
    if not shown:
        return [*number_rows(numbers), *failure_rows(first, Action.MORE_OF_ALL)]
    buttons = [*_again(first, offered)[1:], *more_buttons(first, Action.MORE_OF_ALL, Action.CLEAR)]
    return [*number_rows(numbers), buttons]


def failure_rows(run: Run, more: Action = Action.MORE) -> list[list[Button[Any]]]:
    """Return the buttons of an outcome without a result; `run` is the first of a batch."""
    return [[*_retry(run, of_all=more is Action.MORE_OF_ALL), *more_buttons(run, more, Action.DISCARD)]]


def more_buttons(run: Run, more: Action, delete: Action) -> list[Button[Any]]:
    """Return *More* and, if the bot can delete the message only when it is pressed there, Delete."""
    buttons = [run_button(run, more, "button_more")]
    return [*buttons, run_button(run, delete, "button_delete")] if run.needs_interaction else buttons


def number_rows(numbers: Sequence[Number]) -> list[list[Button[Any]]]:
    """Return rows with the numbered buttons."""
    buttons: list[Button[Any]] = [
        Button(
            label=say("several_number", number=each.number),
            custom_id=PickId(each.run.key, each.number, each.file).encode(),
        )
        for each in numbers
    ]
    return [buttons[start : start + BUTTONS_A_ROW] for start in range(0, len(buttons), BUTTONS_A_ROW)]


def picked_rows(run: Run, offered: OfferedActions, *, picture: bool) -> Iterator[Row]:
    """Yield the buttons behind a number, for a run of a batch or one picture of a result with several.

    `picture` says whether the view shows a picture.
    """
    if not run.has_result:
        yield [*_retry(run, of_all=False), run_button(run, Action.DETAILS, "button_details")]
        return
    kinds = kinds_of(run) if run.is_shown else ()
    follow_ups = _follow_ups(run, offered, kinds)
    yield follow_ups[:_ACTIONS]
    yield _select(run, follow_ups[_ACTIONS:])
    yield _again(run, offered) if offered.startable else []
    post = [run_button(run, Action.POST, "button_post")] if offered.postable else []
    yield [
        *_use(run, offered, picture=picture),
        *post,
        *_share(run, offered),
        *_save(run, offered),
        _details(run),
    ]
    yield [*_report(run, offered), *_delete(run, offered, _delete_button(run))]


def hidden_rows(
    run: Run, offered: OfferedActions, message_id: int, shown: Collection[str], pictures: int
) -> Iterator[Row]:
    """Yield the rows behind *More* of a single result or a failure.

    `message_id` is the message whose *More* was pressed, `shown` are the custom_ids in it, and `pictures` is
    how many it shows. If it shows several, follow-ups are behind their numbers.
    """
    if run.is_shown and pictures <= 1:
        follow_ups = _follow_ups(run, offered, kinds_of(run))
        yield _select(run, [each for each in follow_ups if each.custom_id not in shown])
    save = _save(run, offered) if run.has_result else []
    yield [*_use(run, offered, picture=pictures == 1), *_share(run, offered), *save, _details(run)]
    custom_id = DeleteId(run.key, message_id).encode()
    button: Button[Any] = Button(label=say("button_delete"), style=ButtonStyle.danger, custom_id=custom_id)
    delete = _delete(run, offered, button if run.is_shown else discard_button(run))
    yield [*_report(run, offered), *delete]


def hidden_rows_of_all(batch: Sequence[Run], offered: OfferedActions) -> Iterator[Row]:
    """Yield the rows behind *More* of a batch."""
    first = batch[0]
    shown = next((run for run in batch if run.is_shown), None)
    repeat = [run_button(first, Action.REPEAT, "button_again_all", count=len(batch))]
    yield [*(repeat if shown and offered.startable else []), *_save(first, offered), _details(first)]
    button = run_button(first, Action.CLEAR, "button_delete") if shown else discard_button(first)
    yield [*_report(first, offered), *_delete(shown or first, offered, button)]


def kinds_of(run: Run) -> frozenset[FileKind]:
    """Return the kinds of a run's files, judged by the files' names."""
    names = [output.filename or output.url.partition("?")[0] for output in run.outputs if output.url]
    families = (media_type(AttachedFile("", name, None, 1)).partition("/")[0] for name in names)
    return frozenset(FileKind(each) if each in set(FileKind) else FileKind.OTHER for each in families)


def fitting_follow_ups(offered: OfferedActions, kinds: Collection[FileKind]) -> list[FollowUp]:
    """Return the configured follow-ups that take a file of one of these kinds."""
    taking = {kind for each in kinds for kind in _TAKING[each]}
    return [action for action in offered.follow_ups if not taking.isdisjoint(action.takes)]


def _follow_ups(run: Run, offered: OfferedActions, kinds: Collection[FileKind]) -> list[Button[Any]]:
    return [
        Button(
            label=each.label,
            emoji=each.emoji,
            custom_id=DraftId(run.key, "".join(each.reference)).encode(),
        )
        for each in fitting_follow_ups(offered, kinds)
    ]


def _select(run: Run, follow_ups: Sequence[Button[Any]]) -> Row:
    """Return a row with a select of the follow-ups that have no button, or an empty row."""
    if not follow_ups:
        return []
    options = [
        SelectOption(label=each.label or "", emoji=each.emoji, value=each.custom_id or "")
        for each in follow_ups
    ]
    placeholder, custom_id = say("follow_up_placeholder"), DraftId(run.key).encode()
    return [Select(placeholder=placeholder, options=options, custom_id=custom_id)]


def _retry(run: Run, *, of_all: bool) -> list[Button[Any]]:
    """Return *Try again*, unless the request would end again, and *Edit*."""
    edit = run_button(run, Action.EDIT, "button_edit")
    if not offers_retry(run):
        return [edit]
    action, label = Action.AGAIN, "button_try_again"
    if of_all:
        action, label = Action.REPEAT, "button_try_again_all"
    return [run_button(run, action, label, ButtonStyle.primary, count=run.count), edit]


def _again(run: Run, offered: OfferedActions) -> list[Button[Any]]:
    """Return *Again*, *4 more* if it is offered, and *Edit*."""
    # The label states the number of variations, since each of them costs a run.
    vary = [run_button(run, Action.VARY, "button_vary", count=VARY_COUNT)] if offered.vary else []
    again, edit = run_button(run, Action.AGAIN, "button_again"), run_button(run, Action.EDIT, "button_edit")
    return [again, *vary, edit]


def _details(run: Run) -> Button[Any]:
    return run_button(run, Action.DETAILS, "button_details")


def _use(run: Run, offered: OfferedActions, *, picture: bool) -> list[Button[Any]]:
    return [run_button(run, Action.USE, "button_use")] if offered.usable and picture else []


def _share(run: Run, offered: OfferedActions) -> list[Button[Any]]:
    return [run_button(run, Action.SHARE, "button_share")] if offered.shareable else []


def _save(run: Run, offered: OfferedActions) -> list[Button[Any]]:
    return [run_button(run, Action.SAVE, "button_save")] if offered.startable else []


def _report(run: Run, offered: OfferedActions) -> list[Button[Any]]:
    """Return *Report*, which is about the whole batch."""
    batch = replace(run, key=run.request_key)
    return [run_button(batch, Action.REPORT, "button_report")] if offered.reportable else []


def _delete_button(run: Run) -> Button[Any]:
    """Return *Delete*, or *Delete all 4* if the run made several files, which go together."""
    count = sum(output.url is not None for output in run.outputs)
    if count > 1:
        return run_button(run, Action.DELETE, "button_delete_all", count=count)
    return run_button(run, Action.DELETE, "button_delete")


def _delete(run: Run, offered: OfferedActions, button: Button[Any]) -> list[Button[Any]]:
    # A result that was deleted is gone, and the bot can edit a private message, or a user install's, only in
    # response to a press of a button in it.
    is_gone = run.has_result and not run.is_shown
    return [button] if offered.deletable and not is_gone and not run.needs_interaction else []


def offered_actions(
    run: Run,
    deployments: Sequence[Deployment],
    *,
    reportable: bool = False,
    shareable: bool = False,
    postable: bool = False,
    startable: bool = True,
    deletable: bool = True,
) -> OfferedActions:
    """Return the actions that the current deployments offer for a run.

    Only a shown result can be the input of another run.
    """
    deployment = deployment_of(run, deployments)
    vary = deployment is not None and deployment.max_count >= VARY_COUNT
    return OfferedActions(
        vary=vary,
        usable=startable and run.is_shown and bool(taking_pictures(deployments)),
        reportable=reportable,
        shareable=shareable,
        postable=postable,
        follow_ups=deployment.follow_ups if deployment is not None and startable and run.is_shown else (),
        startable=startable,
        deletable=deletable,
    )
