"""The machine behind a deployment. It queues runs, executes nodes, uploads outputs and reports each step."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from demo.fake_comfydeploy.deployments import Makes
from demo.fake_comfydeploy.generator import ExecutionError, Generator, Made
from demo.fake_comfydeploy.runs import Output, Run
from demo.fake_comfydeploy.webhooks import Webhooks
from demo.fake_comfydeploy.world import World

RUNNER_PATIENCE = 5  # steps; the real runner waits for the deployment's run_timeout
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 20.00 MiB"
LATE_STATUS = "Executing PreviewImage"  # a node's report that arrives after the end


class Machine:
    """Executes runs. `pace` is the duration of a step in seconds; 0 means as fast as possible."""

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

    async def cancel(self, run: Run) -> None:
        """End the run as cancelled, unless it has ended, and wait for the first attempt at its webhook.

        With the fault `success_after_cancel`, the machine continues and the run succeeds later.
        """
        if run.ended:
            return
        if not run.faults.success_after_cancel and (task := self._tasks.get(run.id)):
            task.cancel()
        self._end(run, "cancelled", signed=False)
        run.released.open()
        await self._webhooks.tried(run)

    def reject(self, run: Run) -> None:
        """End the run as failed, because its workflow is invalid.

        The webhook about it precedes the answer to the queue call.
        """
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
        except ExecutionError as error:
            self._world.write_log(run, *traceback_of(run, str(error)))
            self._end(run, "failed")
            return
        end = run.faults.ends_as or "success"
        if end != "success":
            await self._end_early(run, products, end)
        elif run.faults.never_ends or run.deployment.makes is Makes.TEXT:
            await self._never_succeed(run, products)
        else:
            await self._status(run, "uploading")
            self._upload_all(run, products)
            self._end(run, "success")
            self._late_report(run)

    async def _end_early(self, run: Run, products: list[Made], end: str) -> None:
        """Upload as many files as the fault `made` says, then end the run with the status `end`."""
        kept = list(first_items(products, run.faults.made))
        self._upload_all(run, kept)
        if kept == products:
            self._after_last_node(run)
        if end == "failed":
            self._world.write_log(run, *traceback_of(run, OUT_OF_MEMORY))
        self._end(run, end)
        self._late_report(run)

    async def _never_succeed(self, run: Run, products: list[Made]) -> None:
        """Upload everything, but leave the run `running`.

        A serverless machine ends it as `timeout` after a while, unless the fault `never_ends` is set.
        """
        self._upload_all(run, products)
        self._after_last_node(run)
        if run.deployment.classic or run.faults.never_ends:
            return
        await asyncio.sleep(self._pace * RUNNER_PATIENCE)
        self._end(run, "timeout")

    def _upload_all(self, run: Run, products: list[Made]) -> None:
        for node_meta, output_id, data in products:
            self._upload(run, node_meta, output_id, data)

    def _after_last_node(self, run: Run) -> None:
        if run.ended:
            return
        run.progress = 1.0
        self._webhooks.live_status(run)

    async def _status(self, run: Run, status: str) -> None:
        if not run.ended:
            run.status, run.updated_at = status, self._world.now()
            self._webhooks.status(run)
        if run.faults.hold_at == status:
            await run.released.wait(self._world.activity)
        await asyncio.sleep(self._pace if status in {"queued", "started"} else 0)

    async def _nodes(self, run: Run) -> None:
        """Execute the nodes. The reported progress is slightly uneven and stays below 1."""
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


def first_items(products: list[Made], count: int) -> Iterator[Made]:
    """Yield the first `count` items of the outputs, without previews, or all outputs if there are no more."""
    total = sum(len(items) for _, _, data in products for items in data.values())
    if count >= total:
        yield from products
        return
    for node_meta, output_id, data in products:
        for kind, items in data.items():
            chosen = [item for item in items if not (isinstance(item, dict) and item.get("type") == "temp")]
            chosen, count = chosen[:count], count - len(chosen[:count])
            if chosen:
                yield node_meta, output_id, {kind: chosen}


def traceback_of(run: Run, message: str) -> list[str]:
    """Return the log of a run whose last node raised an error, as ComfyUI and the runner write it."""
    node = run.deployment.nodes[-1]
    return [
        "got prompt\n",
        f"Requested to load {node} from https://weights.example/sd_xl.safetensors?token=hf_notForPeople123\n",
        f"!!! Exception during processing !!! {message}\n",
        "Traceback (most recent call last):\n"
        '  File "/comfyui/execution.py", line 323, in execute\n'
        "    output_data, output_ui = get_output_data(obj, input_data_all)\n"
        f'  File "/comfyui/custom_nodes/{node}/nodes.py", line 81, in run\n'
        "    return torch.matmul(first, second)\n"
        f"RuntimeError: {message}\n",
        "Prompt executed in 3.21 seconds\n",
        "__END__",
        "__END__",
    ]
