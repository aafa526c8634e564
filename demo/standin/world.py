"""What every part of the stand-in shares: deployments, runs, files, books and clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from demo.standin.activity import Activity
from demo.standin.deployments import DemoDeployment
from demo.standin.faults import FaultPlan
from demo.standin.files import Bucket
from demo.standin.ledger import Ledger
from demo.standin.runs import RunBook


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    deployments: Mapping[str, DemoDeployment]
    plan: FaultPlan
    bucket: Bucket
    ledger: Ledger
    runs: RunBook
    activity: Activity
    now: Callable[[], datetime]
