"""How one can go on from what a run made, by the deployments of today. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.deployments.inputs import VARIED
from bot.deployments.model import Deployment, deployment_of, taking_pictures
from bot.domain.runs import Run
from bot.messages.onward import Onward


def onward_of(run: Run, deployments: Sequence[Deployment]) -> Onward:
    """The buttons that make sense."""
    offered = deployment_of(run, deployments)
    vary = offered is not None and offered.max_count >= VARIED
    return Onward(vary=vary, usable=bool(taking_pictures(deployments)))
