"""Send webhooks as the service does, with three attempts, of which the later ones are GETs with the body."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp

from demo.fake_comfydeploy.call_log import WebhookAttempt
from demo.fake_comfydeploy.runs import Output, Run
from demo.fake_comfydeploy.wire import Link, event, output_for_webhook, single
from demo.fake_comfydeploy.world import World

WAITS = (0.5, 1.0)
TIMEOUT = 20.0


class Webhooks:
    """The webhooks of all runs. First attempts are sent in order; retries don't delay later events."""

    def __init__(
        self,
        world: World,
        session: aiohttp.ClientSession,
        waits: Sequence[float] = WAITS,
        timeout: float = TIMEOUT,
    ) -> None:
        self._world = world
        self._session = session
        self._waits = waits
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._last: dict[str, asyncio.Event] = {}
        self._held: dict[str, dict[str, Any]] = {}

    def status(self, run: Run, *, signed: bool = True) -> None:
        """Send `run.updated` after a change of status. If `signed` is False, its URLs aren't signed.

        If the run ended without success, the event has no outputs. Only `GET /run` returns them.
        """
        if run.ended and run.faults.silent_end:
            return
        hidden = run.ended and (run.faults.outputs_missing or run.status != "success")
        outputs = [] if hidden else run.outputs
        self._event(run, "run.updated", single(run.progress), outputs, signed=signed)
        if run.ended:
            self._flush(run)

    def live_status(self, run: Run) -> None:
        """Send the current progress, if the caller asked for it; never with outputs."""
        if run.intermediate and not (run.ended and run.faults.silent_end):
            self._event(run, "run.updated", run.progress, [])
            if run.ended:
                self._flush(run)

    def output(self, run: Run, output: Output) -> None:
        """Send `run.output` to a webhook URL that asks for it. The file URLs in it are never signed."""
        query = parse_qs(urlsplit(run.webhook or "").query)
        if "run.output" in query.get("target_events", []):
            self._event(run, "run.output", single(run.progress), [output], signed=False)

    async def tried(self, run: Run) -> None:
        """Wait until the first attempt to send the run's latest event has ended."""
        if last := self._last.get(run.id):
            await last.wait()

    def _event(
        self, run: Run, event_type: str, progress: float, outputs: list[Output], signed: bool = True
    ) -> None:
        if run.webhook is None or run.faults.webhook_drop:
            return
        link: Link = self._world.bucket.link if signed else self._world.bucket.plain_link
        body = event(run, event_type, progress, [output_for_webhook(run, o, link) for o in outputs])
        if run.faults.webhook_reorder and run.id not in self._held:
            self._held[run.id] = body
            return
        self._send(run, body)
        self._flush(run)

    def _flush(self, run: Run) -> None:
        if held := self._held.pop(run.id, None):
            self._send(run, held)

    def _send(self, run: Run, body: dict[str, Any]) -> None:
        for _ in range(2 if run.faults.webhook_duplicate else 1):
            before, tried = self._last.get(run.id), asyncio.Event()
            self._last[run.id] = tried
            self._world.activity.spawn(self._deliver(run, body, before, tried))

    async def _deliver(
        self, run: Run, body: dict[str, Any], before: asyncio.Event | None, tried: asyncio.Event
    ) -> None:
        try:
            if before:
                await before.wait()
            if await self._attempt(run, body, 1):
                return
        finally:
            run.first_webhook.set()
            tried.set()
            if self._last.get(run.id) is tried:
                del self._last[run.id]
        for at, wait in enumerate(self._waits, start=2):
            await asyncio.sleep(wait)
            if await self._attempt(run, body, at):
                return

    async def _attempt(self, run: Run, body: dict[str, Any], attempt: int) -> bool:
        method = "GET" if attempt > 1 or run.faults.webhook_get_only else "POST"
        answer = await self._call(method, str(run.webhook), json.dumps(body).encode())
        self._world.call_log.webhook_attempts.append(
            WebhookAttempt(
                at=self._world.now().timestamp(),
                run_id=run.id,
                method=method,
                url=str(run.webhook),
                attempt=attempt,
                event_type=body["event_type"],
                status=body["status"],
                progress=body["progress"],
                outputs=len(body["outputs"]),
                answer=answer,
            )
        )
        delivery = {"level": "info", "event": "webhook", "url": run.webhook, "status": answer}
        self._world.write_log(run, json.dumps(delivery))
        return isinstance(answer, int) and 200 <= answer < 300

    async def _call(self, method: str, url: str, body: bytes) -> int | str:
        """Return the status code, or the name of the error.

        Redirects are followed. After a POST, 301, 302 and 303 drop the body.
        """
        if self._world.plan.away:
            return "outage"
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, timeout=self._timeout
            ) as reply:
                return reply.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return type(error).__name__
