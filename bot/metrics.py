"""The Prometheus metrics. Labels have few values and never name a user, a server or a secret.

docs/metrics.md explains each metric, and deploy/alerts.yml has the alerts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from bot.domain.errors import BotError
from bot.domain.runs import Run

PREFIX: Final = "comfydeploy_bot"
# The value of the `result` label for each response to a webhook.
WEBHOOK_RESULTS: Final = {
    204: "recorded",
    400: "unreadable",
    403: "wrong_secret",
    404: "unknown_run",
    409: "another_run",
    413: "too_large",
    500: "internal",
    503: "database_away",
}
_RUN_SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
_WAIT_SECONDS = (0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600)
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Twenty times a second, so that a stall of a tenth of a second is measured as at least half that long.
_LAG_INTERVAL = 0.25
_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The metrics of one process, in a registry of their own so that tests and the demo don't share one."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.registry = CollectorRegistry()
        ProcessCollector(namespace=PREFIX, registry=self.registry)
        GCCollector(registry=self.registry)
        counter = partial(Counter, namespace=PREFIX, registry=self.registry)
        histogram = partial(Histogram, namespace=PREFIX, registry=self.registry)
        self._requests = counter(
            "requests", "Requests, accepted or refused with the reason", ("deployment", "outcome")
        )
        self._outcomes = counter(
            "outcomes", "Outcomes of runs shown to their requesters", ("deployment", "state")
        )
        self._queue = histogram(
            "queue_seconds", "From the queue call to the start", ("deployment", "gpu"), buckets=_WAIT_SECONDS
        )
        self._run = histogram(
            "run_seconds", "How long runs took", ("deployment", "gpu"), buckets=_RUN_SECONDS
        )
        webhooks = counter("webhooks", "Webhooks by the answer they got", ("result",))
        # Create all series at 0, so that the first event counts as an increase.
        self.webhooks = {status: webhooks.labels(word) for status, word in WEBHOOK_RESULTS.items()}
        # `result` is done, again, kept (undelivered) or superseded.
        self.attempts = counter("message_attempts", "Attempts to show a message", ("kind", "result"))
        self._delivery = histogram(
            "delivery_seconds", "From a run's end to its outcome being shown", buckets=_WAIT_SECONDS
        )
        self._discord = counter("discord_requests", "Calls to Discord by status", ("method", "status"))
        self._limited = counter("discord_rate_limited", "Discord's 429s by their scope", ("scope",))
        self._calls = counter("comfydeploy_calls", "Calls to ComfyDeploy", ("call", "result"))
        self._call = histogram(
            "comfydeploy_call_seconds",
            "How long ComfyDeploy took to answer",
            ("call",),
            buckets=_CALL_SECONDS,
        )

        checked = counter("pictures_checked", "Pictures that were checked, by verdict", ("result",))
        self._checked = {result: checked.labels(result) for result in ("clean", "flagged", "unknown")}
        self.held = counter("pictures_held", "Outputs that a moderator has to look at first")
        self._check = histogram(
            "picture_check_seconds",
            "How long pictures waited for the checker's answer",
            buckets=_CALL_SECONDS,
        )
        self._lag = histogram(
            "event_loop_lag_seconds", "How late the event loop ran a task that was due", buckets=_LAG_SECONDS
        )

    async def watch_event_loop(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Measure how late the event loop wakes a task, until this task is cancelled."""
        while True:
            due = self._monotonic() + _LAG_INTERVAL
            await sleep(_LAG_INTERVAL)
            self._lag.observe(max(0.0, self._monotonic() - due))

    def gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(name, about, labels, namespace=PREFIX, registry=self.registry)

    @contextmanager
    def request(self, deployment: str, *, accepts: bool = False) -> Iterator[None]:
        """Count the request that is refused or, if the block `accepts` it, accepted inside the block."""
        outcome = "accepted" if accepts else None
        try:
            yield
        except BotError as error:
            outcome = error.code
            raise
        except Exception:
            outcome = "internal"
            raise
        finally:
            if outcome is not None:
                self._requests.labels(deployment, outcome).inc()

    def shown(self, run: Run, now: datetime) -> None:
        self._outcomes.labels(run.deployment, run.state.value).inc()
        if run.ended_at is not None:
            self._delivery.observe(max(0.0, (now - run.ended_at).total_seconds()))

    def settled(self, run: Run, *, gpu: str | None, seconds: float | None) -> None:
        """Record how long an ended run waited in ComfyDeploy's queue, and how long it executed.

        `gpu` and `seconds` are as ComfyDeploy reported them, if it did.
        """
        labels = (run.deployment, gpu or run.gpu_used or run.gpu or "machine's own")
        if run.started_at is not None and run.submitted_at is not None:
            queue_time = (run.started_at - run.submitted_at).total_seconds()
            self._queue.labels(*labels).observe(max(0.0, queue_time))
        duration = seconds if seconds is not None else run.run_duration
        if duration is not None:
            self._run.labels(*labels).observe(duration)

    def picture_checked(self, result: str, seconds: float) -> None:
        """Count a picture that is clean, flagged or, without a usable answer, unknown."""
        self._checked[result].inc()
        self._check.observe(seconds)

    def discord_trace(self) -> aiohttp.TraceConfig:
        """Return a trace that counts the requests of discord.py's session, including retries."""

        async def answered(_: Any, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
            response = params.response
            self._discord.labels(params.method, str(response.status)).inc()
            if response.status == 429:
                self._limited.labels(response.headers.get("X-RateLimit-Scope", "unknown")[:20]).inc()

        async def silent(_: Any, __: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams) -> None:
            self._discord.labels(params.method, "no_answer").inc()

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(answered)
        trace.on_request_exception.append(silent)
        return trace

    def comfydeploy_called(self, call: str, result: str, seconds: float) -> None:
        """Count and time a call to ComfyDeploy. `result` is the status, or `no_answer`."""
        self._calls.labels(call, result).inc()
        self._call.labels(call).observe(seconds)
