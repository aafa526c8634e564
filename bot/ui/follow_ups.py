"""The buttons under an outcome: follow-ups first, then actions on the message."""

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


@dataclass(frozen=True, slots=True)
class FollowUps:
    """The follow-ups that the deployments offer: `vary` if a batch of that size is allowed, `usable` if an
    input takes a picture.
    """

    vary: bool = False
    usable: bool = False


def follow_up_buttons(run: Run, follow_ups: FollowUps, *, picture: bool) -> list[Button[Any]]:
    """Return the buttons that start another run. `picture`: the result has a picture to use as input."""
    buttons = [run_button(run, Action.AGAIN, "button_again")]
    if follow_ups.vary:
        # The label states the number, since each variation costs a run.
        buttons.append(run_button(run, Action.VARY, "button_vary", count=VARY_COUNT))
    buttons.append(run_button(run, Action.EDIT, "button_edit"))
    if follow_ups.usable and picture:
        buttons.append(run_button(run, Action.USE, "button_use"))
    return buttons


def retry_buttons(run: Run) -> list[Button[Any]]:
    """Return the buttons under an outcome without a result."""
    buttons = [
        run_button(run, Action.EDIT, "button_edit"),
        run_button(run, Action.DETAILS, "button_details"),
    ]
    if offers_retry(run):
        buttons.insert(0, run_button(run, Action.AGAIN, "button_try_again", ButtonStyle.primary))
    return buttons


def offers_retry(run: Run) -> bool:
    """Return whether the same request may be repeated, which a moderator's rejection rules out."""
    return run.state is not RunState.REJECTED and run.failure_code != REQUESTER_BLOCKED


def result_rows(run: Run, follow_ups: FollowUps, *, picture: bool) -> list[list[Button[Any]]]:
    """Return the buttons under a single result."""
    about = [
        run_button(run, Action.DETAILS, "button_details"),
        run_button(run, Action.DELETE, "button_delete"),
    ]
    if run.guild_id is not None:
        about.append(run_button(run, Action.REPORT, "button_report"))
    return [follow_up_buttons(run, follow_ups, picture=picture), about]


def single_rows(run: Run, follow_ups: FollowUps, *, picture: bool) -> list[list[Button[Any]]]:
    """Return the buttons of one run of a batch, opened by its number."""
    if not run.has_result:
        return [retry_buttons(run)]
    deleted = run.deleted_at is not None
    about = [run_button(run, Action.DETAILS, "button_details")]
    # The bot can't edit a user install's message, but a press of a button in it can.
    if not deleted and not run.user_install:
        about.append(run_button(run, Action.DELETE, "button_delete"))
    return [follow_up_buttons(run, follow_ups, picture=picture and not deleted), about]


def follow_ups_for(run: Run, deployments: Sequence[Deployment]) -> FollowUps:
    """Return the follow-ups that the current deployments offer for a run."""
    deployment = deployment_of(run, deployments)
    vary = deployment is not None and deployment.max_count >= VARY_COUNT
    return FollowUps(vary=vary, usable=bool(taking_pictures(deployments)))
