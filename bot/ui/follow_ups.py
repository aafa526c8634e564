"""The buttons under what has ended: first the ways to go on from it, then what is about the message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from discord import ButtonStyle
from discord.ui import Button

from bot.deployments.inputs import VARY_COUNT
from bot.deployments.model import Deployment, deployment_of, taking_pictures
from bot.domain.runs import Run, RunState
from bot.domain.transitions import REQUESTER_BLOCKED
from bot.ui.components import run_button
from bot.ui.custom_ids import Action


@dataclass(frozen=True, slots=True)
class FollowUps:
    """What the deployments allow: so many at once as Vary makes; a picture as an input."""

    vary: bool = False
    usable: bool = False


def follow_up_buttons(run: Run, onward: FollowUps, *, picture: bool) -> list[Button[Any]]:
    """`picture`: there is one to go on with."""
    buttons = [run_button(run, Action.AGAIN, "button_again")]
    if onward.vary:
        # What it costs is on it: each of them is a run.
        buttons.append(run_button(run, Action.VARY, "button_vary", count=VARY_COUNT))
    buttons.append(run_button(run, Action.EDIT, "button_edit"))
    if onward.usable and picture:
        buttons.append(run_button(run, Action.USE, "button_use"))
    return buttons


def retry_buttons(run: Run) -> list[Button[Any]]:
    """Under anything but a result. Where a moderator said no, the same once more is not offered."""
    edit, details = (
        run_button(run, Action.EDIT, "button_edit"),
        run_button(run, Action.DETAILS, "button_details"),
    )
    if run.state is RunState.REJECTED or run.failure_code == REQUESTER_BLOCKED:
        return [edit, details]
    return [run_button(run, Action.AGAIN, "button_try_again", ButtonStyle.primary), edit, details]


def result_rows(run: Run, onward: FollowUps, *, picture: bool) -> list[list[Button[Any]]]:
    """Under a result."""
    about = [
        run_button(run, Action.DETAILS, "button_details"),
        run_button(run, Action.DELETE, "button_delete"),
    ]
    if run.guild_id is not None:
        about.append(run_button(run, Action.REPORT, "button_report"))
    return [follow_up_buttons(run, onward, picture=picture), about]


def single_rows(run: Run, onward: FollowUps, *, picture: bool) -> list[list[Button[Any]]]:
    """Under one of several, shown by itself."""
    if run.state is not RunState.SUCCEEDED:
        return [retry_buttons(run)]
    gone = run.deleted_at is not None
    about = [run_button(run, Action.DETAILS, "button_details")]
    # Nothing reaches the message of a user install but the buttons in it.
    if not gone and not run.user_install:
        about.append(run_button(run, Action.DELETE, "button_delete"))
    return [follow_up_buttons(run, onward, picture=picture and not gone), about]


def follow_ups_for(run: Run, deployments: Sequence[Deployment]) -> FollowUps:
    """The buttons that make sense."""
    offered = deployment_of(run, deployments)
    vary = offered is not None and offered.max_count >= VARY_COUNT
    return FollowUps(vary=vary, usable=bool(taking_pictures(deployments)))
