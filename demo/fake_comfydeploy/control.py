"""The routes below `/control`, with which tests control a fake ComfyDeploy in another process.

These routes need no API key.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from demo.fake_comfydeploy.faults import Chaos, Faults
from demo.fake_comfydeploy.queue_endpoint import answer, detail
from demo.fake_comfydeploy.world import World

LONGEST_WAIT = 300.0


class Control:
    def __init__(self, world: World, release: Callable[[str | None], int]) -> None:
        self._world = world
        self._release = release

    def routes(self) -> list[web.RouteDef]:
        return [
            web.put("/control/faults", self.set_faults),
            web.delete("/control/faults", self.clear_faults),
            web.post("/control/faults/next", self.next_faults),
            web.put("/control/chaos", self.set_chaos),
            web.post("/control/release", self.release),
            web.get("/control/idle", self.idle),
            web.get("/control/calls", self.read_call_log),
            web.delete("/control/calls", self.clear_call_log),
        ]

    async def set_faults(self, request: web.Request) -> web.Response:
        """Set the faults of all runs that have none of their own. The body is a `Faults` object as JSON."""
        try:
            self._world.plan.everywhere = Faults.model_validate_json(await request.read())
        except ValidationError as error:
            return detail(422, str(error))
        return answer(200, self._world.plan.everywhere.model_dump())

    async def clear_faults(self, _request: web.Request) -> web.Response:
        self._world.plan.clear()
        return answer(200, {})

    async def next_faults(self, request: web.Request) -> web.Response:
        """Set the faults of the next queue calls, in order. The body is a JSON list of `Faults` objects."""
        try:
            faults = [Faults.model_validate(item) for item in await _json(request)]
        except (ValidationError, TypeError, ValueError) as error:
            return detail(422, str(error))
        self._world.plan.queue_up(faults)
        return answer(200, {"queued": len(faults)})

    async def set_chaos(self, request: web.Request) -> web.Response:
        """Draw faults at random from now on. The body is JSON, such as `{"seed": 1, "probabilities":
        {"lost_reply": 0.1}}`.
        """
        try:
            body = await _json(request)
            self._world.plan.chaos = Chaos(body["probabilities"], int(body.get("seed", 0)))
        except (KeyError, TypeError, ValueError) as error:
            return detail(422, str(error))
        return answer(200, {})

    async def release(self, request: web.Request) -> web.Response:
        """Let the held run with the id `?run_id=` continue, or all held runs without this parameter."""
        return answer(200, {"released": self._release(request.query.get("run_id"))})

    async def idle(self, request: web.Request) -> web.Response:
        """Answer once nothing is in progress, or with `idle: false` after `?timeout=` seconds."""
        wait = min(float(request.query.get("timeout", 30)), LONGEST_WAIT)
        try:
            await asyncio.wait_for(self._world.activity.idle(), wait)
        except TimeoutError:
            return answer(200, {"idle": False})
        return answer(200, {"idle": True})

    async def read_call_log(self, _request: web.Request) -> web.Response:
        return answer(200, self._world.call_log.as_json())

    async def clear_call_log(self, _request: web.Request) -> web.Response:
        self._world.call_log.clear()
        return answer(200, {})


async def _json(request: web.Request) -> Any:
    return json.loads(await request.read())
