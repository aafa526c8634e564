"""The buttons under an outcome: follow-ups first, then actions on the message.

A phone of 390 pixels shows about three buttons in a row, so a result has two rows of three, and rarer actions
move behind *More*.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from discord import ButtonStyle, SelectOption
from discord.ui import Button, Select

from bot.deployments.batches import VARY_COUNT
from bot.deployments.model import Deployment, FollowUp, deployment_of, taking_pictures
from bot.deployments.validation import AttachedFile, media_type
from bot.domain.backend import InputKind
from bot.domain.runs import Run, RunState
from bot.domain.transitions import REQUESTER_BLOCKED
from bot.strings import say
from bot.ui.components import FileKind, run_button
from bot.ui.custom_ids import Action, FollowUpId

_ROW = 3
_ROWS = 2
BUTTONS_A_ROW = 5  # Discord's limit
# At most this many configured follow-ups get a button under a result.
_ACTIONS = 3
# Widths in pixels: a row, the gap between two buttons, and a button's border, character and emoji.
_ROW_WIDTH, _GAP, _BORDER, _CHARACTER, _EMOJI = 265, 8, 32, 6, 20
_TAKING = {
    FileKind.IMAGE: {InputKind.IMAGE, InputKind.IMAGES, InputKind.FILE},
    FileKind.VIDEO: {InputKind.VIDEO, InputKind.FILE},
    FileKind.AUDIO: {InputKind.AUDIO, InputKind.FILE},
    FileKind.OTHER: {InputKind.FILE},
}


@dataclass(frozen=True, slots=True)
class OfferedActions:
    """The actions that are possible with a result now.

    `vary`: the deployment allows a batch of `VARY_COUNT`. `usable`: a deployment takes a picture as input.
    `reportable`: the server has a review channel that receives reports. `shareable`: the user may share the
    result in the server's gallery. `postable`: the result can be posted without the rest of its batch.
    `follow_ups` were configured by the operator.
    """

    vary: bool = False
    usable: bool = False
    reportable: bool = False
    shareable: bool = False
    postable: bool = False
    follow_ups: tuple[FollowUp, ...] = ()


def retry_buttons(run: Run) -> list[Button[Any]]:
    """Return the buttons of a run without a result."""
    buttons = [
        run_button(run, Action.EDIT, "button_edit"),
        run_button(run, Action.DETAILS, "button_details"),
    ]
    if offers_retry(run):
        buttons.insert(0, run_button(run, Action.AGAIN, "button_try_again", ButtonStyle.primary))
    return buttons


def discard_button(run: Run) -> Button[Any]:
    """Return the button that deletes a message without a result."""
    return run_button(run, Action.DISCARD, "button_delete")


def offers_retry(run: Run) -> bool:
    """Return whether the same request may be repeated, which a moderator's rejection rules out."""
    return run.state is not RunState.REJECTED and run.failure_code != REQUESTER_BLOCKED


def result_rows(
    run: Run, offered: OfferedActions, *, picture: bool, kinds: Collection[FileKind]
) -> list[list[Button[Any]]]:
    """Return the buttons under a single result.

    `picture`: the result has a picture to use as input. `kinds` are the kinds of its files.
    """
    rare = rare_buttons(run, offered)
    delete = run_button(run, Action.DELETE, "button_delete")
    if actions := _fitting(offered, kinds):
        others = [*_repeat_buttons(run, offered), *_use_buttons(run, offered, picture=picture), *rare]
        return _with_actions(run, actions, others, [delete])
    use = _use_buttons(run, offered, picture=picture)
    if len(use) + len(rare) + 1 > _ROW:
        rare = [run_button(run, Action.MORE, "button_more")]
    return [_repeat_buttons(run, offered), [*use, *rare, delete]]


def rare_buttons(run: Run, offered: OfferedActions) -> list[Button[Any]]:
    """Return the actions of a single result that move behind *More* first."""
    details = run_button(run, Action.DETAILS, "button_details")
    report = [run_button(run, Action.REPORT, "button_report")] if offered.reportable else []
    return [details, *_share_buttons(run, offered), *report]


def batch_rows(runs: Sequence[Run], offered: OfferedActions, *, shown: bool) -> list[list[Button[Any]]]:
    """Return a numbered button for each run of a batch, then the buttons for all runs.

    If the numbers don't fit in one row, they move behind a button of their own. `shown`: at least one run's
    outputs are shown.
    """
    first, count = runs[0], len(runs)
    last: list[Button[Any]] = []
    if shown:
        last.append(run_button(first, Action.REPEAT, "button_again_all", count=count))
        if offered.reportable:
            last.append(run_button(first, Action.REPORT, "button_report"))
        last.append(run_button(first, Action.CLEAR, "button_delete"))
    else:
        if offers_retry(first):
            style = ButtonStyle.primary
            last.append(run_button(first, Action.REPEAT, "button_try_again_all", style, count=count))
        last.append(discard_button(first))
    if count > BUTTONS_A_ROW:
        return [[run_button(first, Action.NUMBERS, "button_numbers")], last]
    return [*number_rows(runs), last]


def number_rows(runs: Sequence[Run]) -> list[list[Button[Any]]]:
    """Return a numbered button for each run."""
    numbers: list[Button[Any]] = [
        run_button(run, Action.PICK, "several_number", number=run.number) for run in runs
    ]
    return [numbers[start : start + BUTTONS_A_ROW] for start in range(0, len(numbers), BUTTONS_A_ROW)]


def single_rows(run: Run, offered: OfferedActions, *, picture: bool) -> list[list[Button[Any]]]:
    """Return the buttons of one run of a batch, opened by its number."""
    if not run.has_result:
        return [retry_buttons(run)]
    use = _use_buttons(run, offered, picture=picture and run.is_shown)
    details = run_button(run, Action.DETAILS, "button_details")
    delete = [run_button(run, Action.DELETE, "button_delete")] if _is_removable(run) else []
    own = [*_post_buttons(run, offered), *_share_buttons(run, offered)]
    if run.is_shown and (actions := _fitting(offered, kinds_of(run))):
        others = [*_repeat_buttons(run, offered), *own, *use, details]
        return _with_actions(run, actions, others, delete)
    about = [*use, *own, details, *delete]
    if len(about) > _ROW:
        about = [*about[: _ROW - 1], run_button(run, Action.MORE, "button_more")]
    return [_repeat_buttons(run, offered), about]


def hidden_buttons(
    run: Run, offered: OfferedActions, shown: Collection[str], *, picture: bool
) -> tuple[list[list[Button[Any]]], Select[Any] | None]:
    """Return what is behind *More*: rows of buttons, and a select of follow-ups if there are any.

    `shown` are the custom_ids of the message above.
    """
    use = _use_buttons(run, offered, picture=picture)
    rare = rare_buttons(run, offered)
    # A result opened by its number may have no space for Delete either.
    delete = [run_button(run, Action.DELETE, "button_delete")] if _is_removable(run) else []
    buttons = [*_repeat_buttons(run, offered), *_post_buttons(run, offered), *use, *rare, *delete]
    hidden = [button for button in buttons if button.custom_id not in shown]
    options = [
        SelectOption(label=each.label, emoji=each.emoji, value=custom_id)
        for each in _fitting(offered, kinds_of(run))
        if (custom_id := _action_id(run, each)) not in shown
    ]
    if not options:
        return _packed(hidden or rare), None
    placeholder, custom_id = say("follow_up_placeholder"), FollowUpId(run.key).encode()
    return _packed(hidden), Select(placeholder=placeholder, options=options, custom_id=custom_id)


def kinds_of(run: Run) -> frozenset[FileKind]:
    """Return the kinds of a run's files by their names."""
    names = [output.filename or output.url.partition("?")[0] for output in run.outputs if output.url]
    families = (media_type(AttachedFile("", name, None, 1)).partition("/")[0] for name in names)
    return frozenset(FileKind(each) if each in set(FileKind) else FileKind.OTHER for each in families)


def _fitting(offered: OfferedActions, kinds: Collection[FileKind]) -> list[FollowUp]:
    """Return the configured follow-ups that take a file of one of these kinds."""
    taking = {kind for each in kinds for kind in _TAKING[each]}
    return [action for action in offered.follow_ups if not taking.isdisjoint(action.takes)]


def _action_id(run: Run, action: FollowUp) -> str:
    return FollowUpId(run.key, action.reference).encode()


def _with_actions(
    run: Run, actions: Sequence[FollowUp], others: Sequence[Button[Any]], last: Sequence[Button[Any]]
) -> list[list[Button[Any]]]:
    """Return up to `_ACTIONS` follow-ups, as many of `others` as fit, and `last`, in two rows on a phone.

    If anything is left out, a *More* button is added that opens the rest.
    """
    buttons: list[Button[Any]] = [
        Button(label=each.label, emoji=each.emoji, custom_id=_action_id(run, each))
        for each in actions[:_ACTIONS]
    ]
    buttons += others
    everything = _packed([*buttons, *last])
    if len(everything) <= _ROWS and len(actions) <= _ACTIONS:
        return everything
    last = [run_button(run, Action.MORE, "button_more"), *last]
    shown: list[Button[Any]] = []
    for button in buttons:
        if len(_packed([*shown, button, *last])) <= _ROWS:
            shown.append(button)
    return _packed([*shown, *last])


def _packed(buttons: Sequence[Button[Any]]) -> list[list[Button[Any]]]:
    """Split buttons into rows that a phone doesn't wrap."""
    rows: list[list[Button[Any]]] = []
    space = 0
    for button in buttons:
        width = _BORDER + _CHARACTER * len(button.label or "") + (_EMOJI if button.emoji else 0)
        if not rows or width > space or len(rows[-1]) == BUTTONS_A_ROW:
            rows.append([])
            space = _ROW_WIDTH
        rows[-1].append(button)
        space -= width + _GAP
    return rows


def _is_removable(run: Run) -> bool:
    # The bot can edit a private message, or a user install's, only in response to a press of a button in it.
    return run.is_shown and not run.needs_interaction


def _post_buttons(run: Run, offered: OfferedActions) -> list[Button[Any]]:
    return [run_button(run, Action.PUBLISH, "button_publish")] if offered.postable else []


def _share_buttons(run: Run, offered: OfferedActions) -> list[Button[Any]]:
    return [run_button(run, Action.SHARE, "button_share")] if offered.shareable else []


def _repeat_buttons(run: Run, offered: OfferedActions) -> list[Button[Any]]:
    buttons = [run_button(run, Action.AGAIN, "button_again")]
    if offered.vary:
        # The label states the number, since each one costs a run.
        buttons.append(run_button(run, Action.VARY, "button_vary", count=VARY_COUNT))
    return [*buttons, run_button(run, Action.EDIT, "button_edit")]


def _use_buttons(run: Run, offered: OfferedActions, *, picture: bool) -> list[Button[Any]]:
    return [run_button(run, Action.USE, "button_use")] if offered.usable and picture else []


def offered_actions(
    run: Run, deployments: Sequence[Deployment], *, reportable: bool = False, shareable: bool = False
) -> OfferedActions:
    """Return the actions that the current deployments offer for a run."""
    deployment = deployment_of(run, deployments)
    vary = deployment is not None and deployment.max_count >= VARY_COUNT
    return OfferedActions(
        vary=vary,
        usable=bool(taking_pictures(deployments)),
        reportable=reportable,
        shareable=shareable,
        follow_ups=deployment.follow_ups if deployment is not None else (),
    )
