"""The buttons under an outcome: follow-ups first, then actions on the message.

A phone of 390 pixels shows about three buttons in a row, so a result has two rows of three, and rarer actions
move behind *More*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from discord import ButtonStyle
from discord.ui import Button

from bot.deployments.batches import VARY_COUNT
from bot.deployments.model import Deployment, deployment_of, taking_pictures
from bot.domain.runs import Run, RunState
from bot.domain.transitions import REQUESTER_BLOCKED
from bot.ui.components import run_button
from bot.ui.custom_ids import Action

_ROW = 3


@dataclass(frozen=True, slots=True)
class FollowUps:
    """The follow-ups that are possible now.

    `vary`: the deployment allows a batch of `VARY_COUNT`. `usable`: a deployment takes a picture as input.
    `reportable`: the server has a review channel that receives reports. `shareable`: it has a gallery
    channel. `postable`: the result can be posted without the rest of its batch.
    """

    vary: bool = False
    usable: bool = False
    reportable: bool = False
    shareable: bool = False
    postable: bool = False


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


def result_rows(run: Run, follow_ups: FollowUps, *, picture: bool) -> list[list[Button[Any]]]:
    """Return the buttons under a single result. `picture`: the result has a picture to use as input."""
    use = _use_buttons(run, follow_ups, picture=picture)
    rare = rare_buttons(run, follow_ups)
    if len(use) + len(rare) + 1 > _ROW:
        rare = [run_button(run, Action.MORE, "button_more")]
    delete = run_button(run, Action.DELETE, "button_delete")
    return [_repeat_buttons(run, follow_ups), [*use, *rare, delete]]


def rare_buttons(run: Run, follow_ups: FollowUps) -> list[Button[Any]]:
    """Return the actions of a single result that move behind *More* if there is no space."""
    details = run_button(run, Action.DETAILS, "button_details")
    report = [run_button(run, Action.REPORT, "button_report")] if follow_ups.reportable else []
    return [details, *_share_buttons(run, follow_ups), *report]


def more_buttons(run: Run, follow_ups: FollowUps) -> list[Button[Any]]:
    """Return the buttons behind *More*. A result opened by its number has no space for Delete either."""
    delete = [run_button(run, Action.DELETE, "button_delete")] if run.batch_size > 1 else []
    return [*rare_buttons(run, follow_ups), *(delete if _is_removable(run) else [])]


def single_rows(run: Run, follow_ups: FollowUps, *, picture: bool) -> list[list[Button[Any]]]:
    """Return the buttons of one run of a batch, opened by its number."""
    if not run.has_result:
        return [retry_buttons(run)]
    use = _use_buttons(run, follow_ups, picture=picture and run.is_shown)
    post = [run_button(run, Action.PUBLISH, "button_publish")] if follow_ups.postable else []
    about = [*use, *post, *_share_buttons(run, follow_ups), run_button(run, Action.DETAILS, "button_details")]
    # The bot can edit such a message only in response to a press of a button in that message.
    if _is_removable(run) and not run.needs_interaction:
        about.append(run_button(run, Action.DELETE, "button_delete"))
    if len(about) > _ROW:
        about = [*about[: _ROW - 1], run_button(run, Action.MORE, "button_more")]
    return [_repeat_buttons(run, follow_ups), about]


def _is_removable(run: Run) -> bool:
    # The bot can edit a user install's message only in response to a press of a button in that message.
    return run.is_shown and not run.user_install


def _share_buttons(run: Run, follow_ups: FollowUps) -> list[Button[Any]]:
    return [run_button(run, Action.SHARE, "button_share")] if follow_ups.shareable else []


def _repeat_buttons(run: Run, follow_ups: FollowUps) -> list[Button[Any]]:
    buttons = [run_button(run, Action.AGAIN, "button_again")]
    if follow_ups.vary:
        # The label states the number, since each one costs a run.
        buttons.append(run_button(run, Action.VARY, "button_vary", count=VARY_COUNT))
    return [*buttons, run_button(run, Action.EDIT, "button_edit")]


def _use_buttons(run: Run, follow_ups: FollowUps, *, picture: bool) -> list[Button[Any]]:
    return [run_button(run, Action.USE, "button_use")] if follow_ups.usable and picture else []


def follow_ups_for(
    run: Run, deployments: Sequence[Deployment], *, reportable: bool = False, shareable: bool = False
) -> FollowUps:
    """Return the follow-ups that the current deployments offer for a run."""
    deployment = deployment_of(run, deployments)
    vary = deployment is not None and deployment.max_count >= VARY_COUNT
    usable = bool(taking_pictures(deployments))
    return FollowUps(vary=vary, usable=usable, reportable=reportable, shareable=shareable)
