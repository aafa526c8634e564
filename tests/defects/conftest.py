"""Share the fixtures of `tests/discord`."""

from __future__ import annotations

from tests.discord.conftest import (
    bot,
    clock,
    comfydeploy,
    mona,
    pytest_collection_modifyitems,
    runner,
    server,
    shares,
    simcord_bot,
)

__all__ = [
    "bot",
    "clock",
    "comfydeploy",
    "mona",
    "pytest_collection_modifyitems",
    "runner",
    "server",
    "shares",
    "simcord_bot",
]
