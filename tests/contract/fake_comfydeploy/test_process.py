"""The fake ComfyDeploy as a process, controlled over `/control`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from demo.fake_comfydeploy.deployments import CAPTION_ID


@dataclass(frozen=True, slots=True)
class Process:
    process: asyncio.subprocess.Process
    session: aiohttp.ClientSession
    told: dict[str, str]

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.told['api_key']}"}
        url = self.told["root"] + path
        async with self.session.request(method, url, json=body, headers=headers) as reply:
            return await reply.json()


@asynccontextmanager
async def running() -> AsyncIterator[Process]:
    """Run the fake ComfyDeploy, stop it with SIGTERM and check that it ends cleanly."""
    arguments = ("-m", "demo.fake_comfydeploy", "--port", "0", "--pace", "0")
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout
        told = json.loads(await process.stdout.readline())
        async with aiohttp.ClientSession() as session:
            yield Process(process, session, told)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_it_is_controlled_over_http_and_ends_cleanly_on_sigterm() -> None:
    queue = {"deployment_id": CAPTION_ID, "inputs": {}, "webhook": "http://127.0.0.1:9/key-1"}
    async with running() as comfydeploy:
        await comfydeploy.call("POST", "/control/faults/next", [{"hold_at": "running", "ends_as": "failed"}])
        run_id = (await comfydeploy.call("POST", "/api/run/deployment/queue", queue))["run_id"]
        assert await comfydeploy.call("POST", "/control/release") in ({"released": 0}, {"released": 1})
        await comfydeploy.call("PUT", "/control/faults", {"webhook_drop": True})
        call_log = await comfydeploy.call("GET", "/control/calls")
        assert [call["run_ids"] for call in call_log["queue_calls"]] == [[run_id]]
        await comfydeploy.call("DELETE", "/control/calls")
        assert (await comfydeploy.call("GET", "/control/calls"))["queue_calls"] == []
        assert "wat" in (await comfydeploy.call("PUT", "/control/faults", {"wat": 1}))["detail"]
        await comfydeploy.call("PUT", "/control/chaos", {"seed": 3, "probabilities": {"failed": 1.0}})
        run_id = (await comfydeploy.call("POST", "/api/run/deployment/queue", queue))["run_id"]
        assert await comfydeploy.call("GET", "/control/idle?timeout=60") == {"idle": True}
        assert (await comfydeploy.call("GET", f"/api/run/{run_id}"))["status"] == "failed"
