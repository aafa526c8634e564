"""Assemble the fake ComfyDeploy, and serve it on a local socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from demo.fake_comfydeploy.activity import Activity
from demo.fake_comfydeploy.api import UPLOAD_LIMIT, Api, gate, noted
from demo.fake_comfydeploy.call_log import CallLog
from demo.fake_comfydeploy.catalogue import all_deployments
from demo.fake_comfydeploy.deployments import DemoDeployment
from demo.fake_comfydeploy.faults import Chaos, FaultPlan, Faults
from demo.fake_comfydeploy.files import Bucket
from demo.fake_comfydeploy.generator import Generator, OpenLink
from demo.fake_comfydeploy.machine import Machine
from demo.fake_comfydeploy.queue_endpoint import QueueEndpoint
from demo.fake_comfydeploy.runs import RunBook
from demo.fake_comfydeploy.serving import Serving
from demo.fake_comfydeploy.webhooks import TIMEOUT, WAITS, Webhooks
from demo.fake_comfydeploy.world import World

API_KEY = "standin-key"  # the key of the only account


def utc_now() -> datetime:
    """Return the current time, truncated to milliseconds as the real service stores it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class FakeComfyDeploy:
    """An HTTP server that answers like ComfyDeploy while its `async with` block runs.

    `url` is the base of the API. `pace` is the duration of a step in seconds, and `webhook_waits` are the
    pauses before the second and third try, also in seconds.
    """

    def __init__(
        self,
        *,
        pace: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str = API_KEY,
        deployments: Iterable[DemoDeployment] | None = None,
        faults: Faults | None = None,
        chaos: Chaos | None = None,
        private_bucket: bool = False,
        webhook_waits: Sequence[float] = WAITS,
        webhook_timeout: float = TIMEOUT,
        picture_scale: float = 1.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Prepare the server. A `picture_scale` below 1 makes the painted pictures smaller, to save time."""
        self.api_key = api_key
        self.world = World(
            deployments={each.id: each for each in deployments or all_deployments()},
            plan=FaultPlan(faults, chaos),
            bucket=Bucket(now, private_bucket),
            call_log=CallLog(),
            runs=RunBook(),
            activity=Activity(),
            now=now,
        )
        self._pace = pace
        self._address = (host, port)
        self._webhook_waits = webhook_waits
        self._webhook_timeout = webhook_timeout
        self._picture_scale = picture_scale
        self._stack = AsyncExitStack()
        self.open_link: OpenLink = _unknown

    @property
    def call_log(self) -> CallLog:
        return self.world.call_log

    @property
    def runs(self) -> RunBook:
        return self.world.runs

    @property
    def faults(self) -> Faults:
        """Return the faults of every run that doesn't have its own; they can be set at any time."""
        return self.world.plan.everywhere

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.world.plan.everywhere = faults

    @property
    def root(self) -> str:
        """Return the base URL of `/files`."""
        return self.world.bucket.base

    @property
    def url(self) -> str:
        return f"{self.root}/api"

    def next_faults(self, *faults: Faults) -> None:
        """Set the faults of the next queue calls, in order."""
        self.world.plan.queue_up(faults)

    @property
    def held(self) -> int:
        """Return the number of runs that wait for `release`."""
        return sum(run.released.is_waited_for for run in self.runs)

    def release(self, run_id: str | None = None) -> int:
        """Let one held run, or all of them, continue; return how many did."""
        held = [run for run in self.runs if run.released.is_waited_for and run_id in {None, run.id}]
        for run in held:
            run.released.open()
        return len(held)

    async def idle(self) -> None:
        """Wait until no run is active and no webhook is pending.

        Runs that are held, that wait for a slot of their deployment, or that never end don't count as active.
        """
        await self.world.activity.idle()

    async def __aenter__(self) -> Self:
        session = await self._stack.enter_async_context(aiohttp.ClientSession())
        self._stack.push_async_callback(self.world.activity.close)
        runner = web.AppRunner(self._app(session), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, *self._address)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.world.bucket.base = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _open(self, url: str) -> bytes | None:
        return await self.open_link(url)

    def _app(self, session: aiohttp.ClientSession) -> web.Application:
        world = self.world
        webhooks = Webhooks(world, session, self._webhook_waits, self._webhook_timeout)
        machine = Machine(world, webhooks, Generator(session, self._open, self._picture_scale), self._pace)
        outer = [noted(world.call_log, world.now), gate(self.api_key, world.plan)]
        app = web.Application(middlewares=outer, client_max_size=UPLOAD_LIMIT + 1024**2)
        app.add_routes(Api(world, machine, QueueEndpoint(world, machine)).routes())
        app.add_routes(Serving(world).routes())
        return app


async def _unknown(_: str) -> None:
    """Return None, so that every URL is downloaded."""
