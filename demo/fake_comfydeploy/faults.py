"""Choose the faults that the fake ComfyDeploy injects: for all runs, the next queue calls, or at random."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Body = Literal["slow", "endless", "cut-off", "damaged", "wrong-type", "expired", "private-redirect"]
Final = Literal["success", "failed", "timeout", "cancelled"]
Held = Literal["reply", "queued", "started", "running", "uploading"]


class Faults(BaseModel):
    """The faults of a queue call and its run. The default instance has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queue_delay: float = Field(default=0, ge=0, description="seconds from the start of the run to the answer")
    queue_status: int | None = Field(default=None, description="instead of 200; 500 as text/plain")
    queue_starts: int | None = Field(
        default=None,
        ge=0,
        description="runs that start anyway: 0 with an error status, else 1",
    )
    queue_drop: bool = Field(default=False, description="close the connection instead of answering")
    get_status: int | None = Field(default=None, description="answer of GET /run/{id}, as 404 or 500")
    deployment_status: int | None = Field(default=None, description="answer of GET /deployment/{id}")
    cancel_supported: bool = True
    success_after_cancel: bool = Field(default=False, description="the machine goes on and the run succeeds")
    webhook_duplicate: bool = False
    webhook_reorder: bool = Field(default=False, description="each pair of events arrives swapped")
    webhook_drop: bool = False
    webhook_get_only: bool = Field(default=False, description="also the first try arrives as GET")
    webhook_before_reply: bool = Field(default=False, description="the first event precedes the queue answer")
    other_dialect: bool = Field(
        default=False, description="queued, processing, completed; progress up to 100"
    )
    undocumented: bool = Field(
        default=False, description="until the run starts, events have a status that isn't documented"
    )
    outputs_missing: bool = Field(default=False, description="the terminal event has no outputs; the GET has")
    never_ends: bool = Field(
        default=False, description="the outputs arrive at progress 1, the status stays running"
    )
    silent_end: bool = Field(default=False, description="no event tells the end")
    ends_as: Final | None = None
    made: int = Field(
        default=0, ge=0, description="files made before an end other than success; progress 1 if all are"
    )
    machine_status: int | None = Field(
        default=None, description="instead of 200: the machine's own answer, passed through"
    )
    log_status: int | None = Field(default=None, description="answer of the log of a run")
    hold_at: Held | None = Field(
        default=None,
        description="wait in this status until released or cancelled; reply: the queue call's answer waits",
    )
    body: Body | None = Field(default=None, description="how the output files misbehave")

    @property
    def starts(self) -> int:
        """Return the number of runs that one queue call starts."""
        if self.queue_starts is not None:
            return self.queue_starts
        return 0 if self.queue_status is not None or self.machine_status is not None else 1


# The named faults from which a chaos run draws.
CHAOS: Mapping[str, Faults] = {
    "lost_reply": Faults(queue_drop=True),
    "refused": Faults(queue_status=500),
    "failed_reply": Faults(queue_status=500, queue_starts=1),
    "early_webhook": Faults(webhook_before_reply=True),
    "duplicates": Faults(webhook_duplicate=True),
    "reordered": Faults(webhook_reorder=True),
    "no_webhooks": Faults(webhook_drop=True),
    "get_webhooks": Faults(webhook_get_only=True),
    "other_dialect": Faults(other_dialect=True),
    "outputs_missing": Faults(outputs_missing=True),
    "silent_end": Faults(silent_end=True),
    "failed": Faults(ends_as="failed"),
    "timeout": Faults(ends_as="timeout"),
    "failed_after_one": Faults(ends_as="failed", made=1),
    "timeout_with_all": Faults(ends_as="timeout", made=99),
    "wrong_type": Faults(body="wrong-type"),
    "cut_off": Faults(body="cut-off"),
}


class Chaos:
    """Draws each named fault with its probability. The same seed gives the same sequence of faults."""

    def __init__(self, probabilities: Mapping[str, float], seed: int = 0) -> None:
        unknown = set(probabilities) - set(CHAOS)
        if unknown:
            raise ValueError(f"unknown faults: {', '.join(sorted(unknown))}")
        self._probabilities = dict(probabilities)
        self._random = random.Random(seed)

    def draw(self) -> Faults:
        drawn: dict[str, Any] = {}
        for name, probability in self._probabilities.items():
            if self._random.random() < probability:
                drawn |= CHAOS[name].model_dump(exclude_defaults=True)
        return Faults(**drawn)


class FaultPlan:
    """Chooses a queue call's faults: those set for it, otherwise drawn ones, otherwise the global ones."""

    def __init__(self, faults: Faults | None = None, chaos: Chaos | None = None) -> None:
        self.everywhere = faults or Faults()
        self.chaos = chaos
        # Whether the service is down: 503 for every call and file, and no webhooks.
        self.away = False
        # Whether every call of the API is answered with 401.
        self.key_revoked = False
        self._next: deque[Faults] = deque()

    def queue_up(self, faults: Iterable[Faults]) -> None:
        """Set the faults of the next queue calls, in order."""
        self._next.extend(faults)

    def take(self) -> Faults | None:
        """Return the faults set or drawn for the next queue call, or None for the global ones.

        With None, the call's runs also follow later changes of the global faults.
        """
        if self._next:
            return self._next.popleft()
        return self.chaos.draw() if self.chaos else None
