"""The shared state of the fake ComfyDeploy: deployments, faults, runs, files, call log and clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from demo.fake_comfydeploy.activity import Activity
from demo.fake_comfydeploy.call_log import CallLog
from demo.fake_comfydeploy.deployments import DemoDeployment
from demo.fake_comfydeploy.faults import FaultPlan
from demo.fake_comfydeploy.files import Bucket
from demo.fake_comfydeploy.runs import LogLine, Run, RunBook


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    deployments: Mapping[str, DemoDeployment]
    plan: FaultPlan
    bucket: Bucket
    call_log: CallLog
    runs: RunBook
    activity: Activity
    now: Callable[[], datetime]

    def write_log(self, run: Run, *texts: str) -> None:
        run.log += [LogLine(self.now(), text) for text in texts]
