"""Which deployments take a picture, and where it goes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.deployments.model import Deployment, Input, InputKind

_PICTURES = frozenset({InputKind.IMAGE, InputKind.IMAGES})


def picture_input(deployment: Deployment) -> Input | None:
    """The input that a picture goes into: a required one before others."""
    found = [item for item in deployment.offered if item.kind in _PICTURES]
    return min(found, key=lambda item: not item.required, default=None)


def taking_pictures(deployments: Sequence[Deployment]) -> list[Deployment]:
    """The deployments that have an image input."""
    return [each for each in deployments if picture_input(each) is not None]
