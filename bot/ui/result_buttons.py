"""The buttons under an outcome: follow-ups first, then actions on the message.

A phone of 390 pixels shows about three buttons in a row and wraps longer rows. A message can't depend on the
screen, so a result has two short rows everywhere. Rare actions are behind *More*.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from discord import ButtonStyle, SelectOption
from discord.ui import Button, Select

from bot.deployments.files import AttachedFile, media_type
from bot.deployments.merge import VARY_COUNT
from bot.deployments.model import Deployment, FollowUp, deployment_of, taking_pictures
from bot.domain.backend import InputKind
from bot.domain.runs import Run, RunState
from bot.domain.transitions import REQUESTER_BLOCKED, may_have_result
from bot.strings import say
from bot.ui.custom_ids import Action, DraftId
from bot.ui.message_parts import FileKind, run_button

_ROWS = 2
BUTTONS_A_ROW = 5  # Discord's limit
# Failure codes with which the same request would end again.
_FINAL = frozenset({REQUESTER_BLOCKED, "parent_deleted"})
# At most this many configured follow-ups get a button under a result.
_ACTIONS = 3
# Widths in pixels: a row, the gap between two buttons, and a button's border, average character and emoji.
_ROW_WIDTH, _GAP, _BORDER, _CHARACTER, _EMOJI = 265, 8, 24, 7.5, 26
_TAKING = {
    FileKind.IMAGE: {InputKind.IMAGE, InputKind.IMAGES, InputKind.FILE},
    FileKind.VIDEO: {InputKind.VIDEO, InputKind.FILE},
    FileKind.AUDIO: {InputKind.AUDIO, InputKind.FILE},
    FileKind.OTHER: {InputKind.FILE},
}


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


def retry_buttons(run: Run, *, again: bool = True) -> list[Button[Any]]:
    """Return the buttons of a run without a result, except the one that deletes the message."""
    buttons = [
        run_button(run, Action.EDIT, "button_edit"),
        run_button(run, Action.DETAILS, "button_details"),
    ]
    if again and offers_retry(run):
        buttons.insert(0, run_button(run, Action.AGAIN, "button_try_again", ButtonStyle.primary))
    return buttons


def discard_button(run: Run) -> Button[Any]:
    """Return the button that deletes a message without a result."""
    return run_button(run, Action.DISCARD, "button_delete")


def offers_retry(run: Run) -> bool:
    """Return False if a rejection, a block or the deletion of a file that it needs ended the request."""
    return run.state is not RunState.REJECTED and run.failure_code not in _FINAL


def result_rows(
    run: Run, offered: OfferedActions, *, picture: bool, kinds: Collection[FileKind]
) -> list[list[Button[Any]]]:
    """Return the buttons under a single result: as many actions as fit in two rows, then *More* and Delete.

    Actions that depend on the server's settings are only behind *More*, which reads the settings at each
    press. A gallery or a review channel may be chosen after the result was posted. `picture` says whether the
    result has a picture to use as input. `kinds` are the kinds of the result's files.
    """
    again, *repeats = _repeat_buttons(run, offered)
    actions, use = _action_buttons(run, offered, kinds), _use_buttons(run, offered, picture=picture)
    last = [run_button(run, Action.MORE, "button_more"), run_button(run, Action.DELETE, "button_delete")]
    by_rank = [again, *actions, *repeats[::-1], *use]
    return _most([*actions, again, *repeats, *use], by_rank, last)


def batch_rows(runs: Sequence[Run], offered: OfferedActions, *, shown: bool) -> list[list[Button[Any]]]:
    """Return a numbered button for each run of a batch, then the buttons for all runs.

    If the numbered buttons don't fit in one row, a single button that leads to them replaces them. If no run
    has a result or may get one, there are no numbered buttons. `shown` says whether the outcome shows the
    outputs of at least one run.
    """
    first, count = runs[0], len(runs)
    if not any(map(may_have_result, runs)):
        return _failure_rows(first, count)
    last: list[Button[Any]] = []
    if shown:
        last.append(run_button(first, Action.REPEAT, "button_again_all", count=count))
        if offered.reportable:
            last.append(run_button(first, Action.REPORT, "button_report"))
        last.append(run_button(first, Action.CLEAR, "button_delete"))
    else:
        last += [*_retry_all_buttons(first, count), discard_button(first)]
    if count > BUTTONS_A_ROW:
        # On a phone, all of `last` in one row would wrap.
        numbers = run_button(first, Action.NUMBERS, "button_numbers")
        return [row for row in ([numbers, last[0]], last[1:]) if row]
    return [*number_rows(runs), last]


def _failure_rows(first: Run, count: int) -> list[list[Button[Any]]]:
    """Return the buttons of a batch without any result.

    Edit and Details refer to the first run, because the runs differ only in their seeds.
    """
    others = retry_buttons(first, again=False)
    return _packed([*_retry_all_buttons(first, count), *others, discard_button(first)])


def _retry_all_buttons(first: Run, count: int) -> list[Button[Any]]:
    if not offers_retry(first):
        return []
    return [run_button(first, Action.REPEAT, "button_try_again_all", ButtonStyle.primary, count=count)]


def number_rows(runs: Sequence[Run]) -> list[list[Button[Any]]]:
    """Return rows with a numbered button for each run."""
    numbers: list[Button[Any]] = [
        run_button(run, Action.PICK, "several_number", number=run.number) for run in runs
    ]
    return [numbers[start : start + BUTTONS_A_ROW] for start in range(0, len(numbers), BUTTONS_A_ROW)]


def single_rows(run: Run, offered: OfferedActions, *, picture: bool) -> list[list[Button[Any]]]:
    """Return the buttons of one run of a batch, opened by its number.

    A run with a result always has *Again*, if it is offered, and *Post*. *More* is added only if something
    doesn't fit. Delete is behind it only if what is there fits in two rows.
    """
    if not run.has_result:
        return [retry_buttons(run)]
    buttons = _repeat_buttons(run, offered)
    repeats, edit = buttons[:-1], buttons[-1:]
    kinds = kinds_of(run) if run.is_shown else ()
    actions = _action_buttons(run, offered, kinds)
    post = [run_button(run, Action.POST, "button_post")] if offered.postable else []
    picture = picture and run.is_shown
    use = _use_buttons(run, offered, picture=picture)
    rare, delete = _rare_buttons(run, offered), _delete_buttons(run, offered)
    ordered = [*actions, *repeats, *edit, *use, *post, *rare, *delete]
    everything = _arranged(ordered, [])
    if everything is not None and len(actions) == len(_fitting(offered, kinds)):
        return everything
    again, vary = repeats[:1], repeats[1:]
    by_rank = [*again, *post, *actions, *edit, *vary, *use, *delete, *rare]
    more = run_button(run, Action.MORE, "button_more")
    rows = _most(ordered, by_rank, [more])
    shown = {button.custom_id or "" for row in rows for button in row}
    hidden, _ = hidden_buttons(run, offered, shown, picture=picture)
    if len(hidden) <= _ROWS:
        return rows
    others = [each for each in by_rank if each not in delete]
    return _most([each for each in ordered if each in others], others, [more, *delete])


def hidden_buttons(
    run: Run, offered: OfferedActions, shown: Collection[str], *, picture: bool
) -> tuple[list[list[Button[Any]]], Select[Any] | None]:
    """Return the actions behind *More*: rows of buttons, and a select of the other follow-ups or None.

    A single other follow-up is a button if two rows have space for it. `shown` are the custom_ids in the
    message whose *More* was pressed; these actions are left out. For a deleted result, there may be no
    actions at all.
    """
    use = _use_buttons(run, offered, picture=picture)
    rare, delete = _rare_buttons(run, offered), _delete_buttons(run, offered)
    buttons = [*_repeat_buttons(run, offered), *use, *rare, *delete]
    hidden = [button for button in buttons if button.custom_id not in shown]
    others = [each for each in _fitting(offered, kinds_of(run)) if _action_id(run, each) not in shown]
    if not others:
        # If settings have changed since the result was posted, nothing may be hidden any more. Discord
        # refuses an empty message, so repeat some buttons.
        return _in_two_rows(hidden or (rare if run.is_shown else [])), None
    if len(others) == 1 and len(rows := _in_two_rows([_action_button(run, others[0]), *hidden])) <= _ROWS:
        return rows, None
    options = [
        SelectOption(label=each.label, emoji=each.emoji, value=_action_id(run, each)) for each in others
    ]
    placeholder, custom_id = say("follow_up_placeholder"), DraftId(run.key).encode()
    return _in_two_rows(hidden), Select(placeholder=placeholder, options=options, custom_id=custom_id)


def kinds_of(run: Run) -> frozenset[FileKind]:
    """Return the kinds of a run's files, judged by the files' names."""
    names = [output.filename or output.url.partition("?")[0] for output in run.outputs if output.url]
    families = (media_type(AttachedFile("", name, None, 1)).partition("/")[0] for name in names)
    return frozenset(FileKind(each) if each in set(FileKind) else FileKind.OTHER for each in families)


def _fitting(offered: OfferedActions, kinds: Collection[FileKind]) -> list[FollowUp]:
    """Return the configured follow-ups that take a file of one of these kinds."""
    taking = {kind for each in kinds for kind in _TAKING[each]}
    return [action for action in offered.follow_ups if not taking.isdisjoint(action.takes)]


def _action_id(run: Run, action: FollowUp) -> str:
    return DraftId(run.key, "".join(action.reference)).encode()


def _action_buttons(run: Run, offered: OfferedActions, kinds: Collection[FileKind]) -> list[Button[Any]]:
    return [_action_button(run, each) for each in _fitting(offered, kinds)[:_ACTIONS]]


def _action_button(run: Run, action: FollowUp) -> Button[Any]:
    return Button(label=action.label, emoji=action.emoji, custom_id=_action_id(run, action))


def _most(
    ordered: Sequence[Button[Any]], by_rank: Sequence[Button[Any]], last: Sequence[Button[Any]]
) -> list[list[Button[Any]]]:
    """Return the most important buttons that fit in two rows on a phone, arranged as in `ordered`.

    `by_rank` has the same buttons as `ordered`, the most important first. `last` always ends the second row.
    """
    rows: list[list[Button[Any]]] = []
    chosen: set[Button[Any]] = set()
    for button in by_rank:
        found = _arranged([each for each in ordered if each in chosen or each is button], last)
        if found is not None:
            rows = found
            chosen.add(button)
    return rows


def _arranged(buttons: Sequence[Button[Any]], last: Sequence[Button[Any]]) -> list[list[Button[Any]]] | None:
    """Put each button into the first of two rows that has space for it on a phone.

    If they don't fit, try every other split. `last` ends the second row. Return None if no split fits.
    """
    rows = _packed(buttons, [[], [*last]])
    if len(rows) > _ROWS:
        return _split(buttons, last)
    first, second = rows
    return [row for row in (first, [*second[len(last) :], *second[: len(last)]]) if row]


def _in_two_rows(buttons: Sequence[Button[Any]]) -> list[list[Button[Any]]]:
    """Put the buttons into two rows of a phone, in their order if that fits.

    If no order fits in two rows, use more.
    """
    rows = _packed(buttons)
    return rows if len(rows) <= _ROWS else _split(buttons) or rows


def _split(
    buttons: Sequence[Button[Any]], last: Sequence[Button[Any]] = ()
) -> list[list[Button[Any]]] | None:
    """Split the buttons into two rows of a phone, the first as long as possible and the second with `last` at
    its end. The first button stays in the first row. Return None if no split fits.
    """
    if _row_width([*buttons, *last]) > _ROWS * _ROW_WIDTH + _GAP:
        return None
    # Adding up widths is fast, and only a split that fits becomes rows.
    widths = {button: _width(button) + _GAP for button in buttons}
    most, least = _ROW_WIDTH + _GAP, _row_width([*buttons, *last]) - _ROW_WIDTH
    for size in range(len(buttons) - 1, -1, -1):
        for others in combinations(buttons[1:], size):
            if not least <= widths[buttons[0]] + sum(widths[each] for each in others) <= most:
                continue
            first = [buttons[0], *others]
            second = [*(each for each in buttons if each not in first), *last]
            if _fits(first) and _fits(second):
                return [first, second]
    return None


def _packed(
    buttons: Sequence[Button[Any]], started: Sequence[Sequence[Button[Any]]] = ()
) -> list[list[Button[Any]]]:
    """Put each button into the first row that still has space for it, so that a phone wraps no row.

    `started` holds the buttons with which the rows begin.
    """
    rows = [list(row) for row in started]
    for button in buttons:
        found = next((row for row in rows if _fits([*row, button])), None)
        if found is None:
            rows.append([button])
        else:
            found.append(button)
    return rows


def _fits(row: Sequence[Button[Any]]) -> bool:
    return len(row) <= BUTTONS_A_ROW and _row_width(row) <= _ROW_WIDTH


def _row_width(row: Sequence[Button[Any]]) -> float:
    return sum(_width(each) + _GAP for each in row) - _GAP


def _width(button: Button[Any]) -> float:
    return _BORDER + _CHARACTER * len(button.label or "") + (_EMOJI if button.emoji else 0)


def _is_removable(run: Run) -> bool:
    # The bot can edit a private message, or a user install's, only in response to a press of a button in it.
    return run.is_shown and not run.needs_interaction


def _delete_buttons(run: Run, offered: OfferedActions) -> list[Button[Any]]:
    is_offered = offered.deletable and _is_removable(run)
    return [run_button(run, Action.DELETE, "button_delete")] if is_offered else []


def _rare_buttons(run: Run, offered: OfferedActions) -> list[Button[Any]]:
    """Return the buttons that are the first to move behind *More*. A batch is reported as a whole."""
    share = [run_button(run, Action.SHARE, "button_share")] if offered.shareable else []
    batch = replace(run, key=run.request_key)
    report = [run_button(batch, Action.REPORT, "button_report")] if offered.reportable else []
    return [*share, run_button(run, Action.DETAILS, "button_details"), *report]


def _repeat_buttons(run: Run, offered: OfferedActions) -> list[Button[Any]]:
    """Return *Again*, *4 more* if it is offered, and *Edit*, which is last."""
    if not offered.startable:
        return []
    buttons = [run_button(run, Action.AGAIN, "button_again")]
    if offered.vary:
        # The label states the number of variations, since each of them costs a run.
        buttons.append(run_button(run, Action.VARY, "button_vary", count=VARY_COUNT))
    return [*buttons, run_button(run, Action.EDIT, "button_edit")]


def _use_buttons(run: Run, offered: OfferedActions, *, picture: bool) -> list[Button[Any]]:
    return [run_button(run, Action.USE, "button_use")] if offered.usable and picture else []


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
