"""Runs and their outputs, as in the service's database."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from demo.fake_comfydeploy.activity import Gate
from demo.fake_comfydeploy.deployments import DemoDeployment
from demo.fake_comfydeploy.faults import FaultPlan, Faults

FINAL = frozenset({"success", "failed", "timeout", "cancelled"})
WAITING = frozenset({"not-started", "queued"})


@dataclass(slots=True, kw_only=True)
class Output:
    """An output. `data` maps a kind (`images`, `gifs`, `text`) to items; an item's URL is its bucket path."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    data: dict[str, list[Any]]
    node_meta: dict[str, str]
    created_at: datetime
    output_id: str | None = None


class LogLine(NamedTuple):
    at: datetime
    text: str


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    deployment: DemoDeployment
    inputs: dict[str, Any]
    webhook: str | None
    intermediate: bool
    gpu: str | None
    created_at: datetime
    plan: FaultPlan
    own_faults: Faults | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "not-started"
    live_status: str | None = None
    progress: float = 0.0
    outputs: list[Output] = field(default_factory=list)
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    updated_at: datetime | None = None
    log: list[LogLine] = field(default_factory=list)
    released: Gate = field(default_factory=Gate)
    first_webhook: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def faults(self) -> Faults:
        return self.own_faults or self.plan.everywhere

    @property
    def ended(self) -> bool:
        return self.status in FINAL


class RunBook:
    """All runs in the order of their queue calls. The oldest ended ones beyond `limit` are dropped."""

    def __init__(self, limit: int = 5_000) -> None:
        self._limit = limit
        self._runs: dict[str, Run] = {}

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs.values()))

    def get(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    def add(self, run: Run) -> None:
        self._runs[run.id] = run
        excess = len(self._runs) - self._limit
        if excess > 0:
            for old in [run.id for run in self if run.ended][:excess]:
                del self._runs[old]

    def queue_position(self, run: Run) -> int | None:
        """Return the number of waiting runs of the deployment before this one; None if it doesn't wait."""
        if run.status not in WAITING:
            return None
        waiting = [r for r in self if r.deployment.id == run.deployment.id and r.status in WAITING]
        return waiting.index(run)
