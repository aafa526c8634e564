"""Open the real app with a fake ComfyDeploy on real sockets, but without Discord and without workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.app import Process, build
from bot.config.settings import Settings
from bot.effects import Effects
from bot.web import listening
from demo.fake_comfydeploy.deployments import PICTURE_ID
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.server import API_KEY, FakeComfyDeploy
from tests.databases import Database, new_sqlite
from tests.ports import free_port

HELD = Faults(hold_at="running")
# Arguments of `FakeComfyDeploy`. Full-size pictures would take a third of the tests' time.
QUICK: dict[str, Any] = {"webhook_waits": (0, 0), "picture_scale": 1 / 8}


class Clock:
    """The bot's clock, which only the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self._passed = timedelta()

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        """Return the seconds by which the clock was moved forward, plus one: libraries take 0 for no time."""
        return 1 + self._passed.total_seconds()

    def move(self, **parts: float) -> None:
        """Move the clock. Moving it back doesn't change the monotonic time."""
        moved = timedelta(**parts)
        self.now += moved
        self._passed += max(moved, timedelta())


@dataclass
class AppRunner:
    """The open app with what it runs on."""

    settings: Settings
    clock: Clock
    port: int
    comfydeploy: FakeComfyDeploy
    app: Process
    database: Database


@asynccontextmanager
async def open_app(
    folder: Path, *, comfydeploy: FakeComfyDeploy | None = None, **more: Any
) -> AsyncIterator[AppRunner]:
    """Start the fake ComfyDeploy and open the app, without connecting to Discord.

    `more` are settings by name.
    """
    clock, port = Clock(), free_port()
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(comfydeploy or FakeComfyDeploy(**QUICK, now=clock))
        settings = Settings(
            **{
                "discord_token": "a.b.c-0123456789",
                "comfydeploy_api_key": API_KEY,
                "comfydeploy_api_url": backend.url,
                "comfydeploy_deployment_id": PICTURE_ID,
                "public_url": f"http://127.0.0.1:{port}",
                "database_url": new_sqlite(folder),
                "allow_private_media_networks": "127.0.0.0/8",
                **more,
            }
        )
        database = Database(settings.database_url.get_secret_value())
        stack.push_async_callback(database.close)
        app = await stack.enter_async_context(build(settings, Effects(now=clock, monotonic=clock.monotonic)))
        await stack.enter_async_context(listening(app.web, "127.0.0.1", port))
        yield AppRunner(settings, clock, port, backend, app, database)
