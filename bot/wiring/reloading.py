"""The deployments of a process, kept current."""

from __future__ import annotations

from datetime import timedelta

from bot.config.settings import configs_of
from bot.deployments.catalogue import Reloader
from bot.wiring.foundations import Foundations


def reloader_of(base: Foundations) -> Reloader:
    return Reloader(
        base.catalogue,
        read=lambda: configs_of(base.settings),
        announce=base.nudges.reload,
        every=timedelta(seconds=base.settings.deployments_refresh_seconds),
        clock=base.clock,
    )
