"""The stand-in as its own process, steered over `/control`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from demo.standin.deployments import CAPTION_ID


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


@pytest.fixture
async def running() -> AsyncIterator[Process]:
    arguments = ("-m", "demo.standin", "--port", "0", "--pace", "0")
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    told = json.loads(await process.stdout.readline())
    async with aiohttp.ClientSession() as session:
        yield Process(process, session, told)
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_it_ends_cleanly_on_sigterm(running: Process) -> None:
    running.process.send_signal(signal.SIGTERM)
    assert await running.process.wait() == 0


async def test_faults_idle_and_books_work_over_http(running: Process) -> None:
    queue = {"deployment_id": CAPTION_ID, "inputs": {}, "webhook": "http://127.0.0.1:9/key-1"}
    await running.call("POST", "/control/faults/next", [{"hold_at": "running", "ends_as": "failed"}])
    run_id = (await running.call("POST", "/api/run/deployment/queue", queue))["run_id"]
    assert await running.call("POST", "/control/release") in ({"released": 0}, {"released": 1})
    await running.call("PUT", "/control/faults", {"webhook_drop": True})
    ledger = await running.call("GET", "/control/ledger")
    assert [call["run_ids"] for call in ledger["queue_calls"]] == [[run_id]]
    await running.call("DELETE", "/control/ledger")
    assert (await running.call("GET", "/control/ledger"))["queue_calls"] == []


async def test_a_misspelt_fault_is_refused(running: Process) -> None:
    assert "wat" in (await running.call("PUT", "/control/faults", {"wat": 1}))["detail"]


async def test_a_chaos_run_is_set_over_http(running: Process) -> None:
    await running.call("PUT", "/control/chaos", {"seed": 3, "probabilities": {"failed": 1.0}})
    body = {"deployment_id": CAPTION_ID, "inputs": {}}
    run_id = (await running.call("POST", "/api/run/deployment/queue", body))["run_id"]
    assert await running.call("GET", "/control/idle?timeout=20") == {"idle": True}
    assert (await running.call("GET", f"/api/run/{run_id}"))["status"] == "failed"
