"""The machine behind a deployment: queue, execute node by node, upload, and report each step."""

from __future__ import annotations

import asyncio
import random
from contextlib import nullcontext
from typing import Any

from demo.fake_comfydeploy.generator import ExecutionError, Generator
from demo.fake_comfydeploy.runs import Output, Run
from demo.fake_comfydeploy.webhooks import Webhooks
from demo.fake_comfydeploy.world import World

LATE_STATUS = "Executing PreviewImage"  # a node's report that arrives after the end


class Machine:
    """Executes runs. `pace` is the duration of a step in seconds; 0 is as fast as possible, in the same
    order.
    """

    def __init__(self, world: World, webhooks: Webhooks, generator: Generator, pace: float) -> None:
        self._world = world
        self._webhooks = webhooks
        self._generator = generator
        self._pace = pace
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, run: Run) -> None:
        task = self._world.activity.spawn(self._live(run))
        self._tasks[run.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(run.id, None))

    def cancel(self, run: Run) -> None:
        """End the run at once, unless it has ended."""
        if run.ended:
            return
        if not run.faults.success_after_cancel and (task := self._tasks.get(run.id)):
            task.cancel()
        self._end(run, "cancelled", signed=False)
        run.released.open()

    def reject(self, run: Run) -> None:
        """Refuse the workflow; the event precedes the answer to the queue call."""
        self._end(run, "failed")

    async def _live(self, run: Run) -> None:
        slots = asyncio.Semaphore(run.deployment.concurrency_limit)
        slots = self._slots.setdefault(run.deployment.id, slots)
        try:
            if not run.deployment.classic:
                run.queued_at = self._world.now()
                await self._status(run, "queued")
            with self._world.activity.paused() if slots.locked() else nullcontext():
                await slots.acquire()
            try:
                await self._execute(run)
            finally:
                slots.release()
        finally:
            run.first_webhook.set()

    async def _execute(self, run: Run) -> None:
        if not run.deployment.classic:
            run.started_at = self._world.now()
            await self._status(run, "started")
        await self._status(run, "running")
        try:
            await self._nodes(run)
            products = await self._generator.make(run)
        except ExecutionError:
            self._end(run, "failed")
            return
        await self._status(run, "uploading")
        for node_meta, output_id, data in products:
            self._upload(run, node_meta, output_id, data)
        if run.faults.never_ends:
            run.status = "running"
            return
        self._end(run, run.faults.ends_as or "success")
        self._late_report(run)

    async def _status(self, run: Run, status: str) -> None:
        if not run.ended:
            run.status, run.updated_at = status, self._world.now()
            self._webhooks.status(run)
        if run.faults.hold_at == status:
            await run.released.wait(self._world.activity)
        await asyncio.sleep(self._pace if status in {"queued", "started"} else 0)

    async def _nodes(self, run: Run) -> None:
        """Report progress as the share of nodes executed so far, slightly uneven; it need not reach 1."""
        rng = random.Random(run.id)
        nodes = run.deployment.nodes
        for at, node in enumerate(nodes):
            share = (at + rng.uniform(0.6, 1.0)) / (len(nodes) + 1)
            run.progress = max(run.progress, round(share, 2))
            run.live_status, run.updated_at = f"Executing {node}", self._world.now()
            self._webhooks.live_status(run)
            await asyncio.sleep(self._pace)

    def _upload(
        self, run: Run, node_meta: dict[str, str], output_id: str | None, data: dict[str, Any]
    ) -> None:
        stored = {kind: [self._store(run, item) for item in items] for kind, items in data.items()}
        output = Output(data=stored, node_meta=node_meta, output_id=output_id, created_at=self._world.now())
        run.outputs.append(output)
        self._webhooks.output(run, output)

    def _store(self, run: Run, item: Any) -> Any:
        if isinstance(item, str) or "content" not in item:
            return item
        path = f"outputs/runs/{run.id}/{item['filename']}"
        content_type = "video/mp4" if path.endswith(".mp4") else "image/png"
        self._world.bucket.put(path, item["content"], content_type)
        kept = {key: value for key, value in item.items() if key not in {"content", "filename"}}
        return {
            "url": path,
            "type": "output",
            "filename": item["filename"],
            "is_public": not self._world.bucket.private,
            "subfolder": "",
            "upload_duration": 0.05763927699990745,
            **kept,
        }

    def _end(self, run: Run, status: str, *, signed: bool = True) -> None:
        if run.ended and not run.faults.success_after_cancel:
            return
        run.status = status
        run.ended_at = run.updated_at = self._world.now()
        self._webhooks.status(run, signed=signed)

    def _late_report(self, run: Run) -> None:
        """Send the last node's progress after the end, with the run's status but without outputs."""
        if run.intermediate:
            run.live_status = LATE_STATUS
            self._webhooks.live_status(run)
