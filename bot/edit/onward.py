"""How one can go on from what a run made, by the deployments of today. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.deployments.model import Deployment
from bot.deployments.pictures import taking_pictures
from bot.deployments.several import VARIED
from bot.domain.runs import Run
from bot.messages.onward import Onward


def deployment_of(run: Run, deployments: Sequence[Deployment]) -> Deployment | None:
    """Also one that was given another name since."""
    same = (each for each in deployments if each.name == run.deployment)
    renamed = (each for each in deployments if each.deployment_id == run.deployment_id)
    return next(same, None) or next(renamed, None)


def onward_of(run: Run, deployments: Sequence[Deployment]) -> Onward:
    """The buttons that make sense."""
    offered = deployment_of(run, deployments)
    vary = offered is not None and offered.max_count >= VARIED
    return Onward(vary=vary, usable=bool(taking_pictures(deployments)))
