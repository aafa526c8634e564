"""How the fake ComfyDeploy ends runs, and when it has their logs."""

from __future__ import annotations

import aiohttp
import pytest

from demo.fake_comfydeploy.deployments import (
    CAPTION_ID,
    CLASSIC_TEXT_ID,
    FAILS_ID,
    PICTURE_ID,
    VARIATIONS_ID,
)
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.contract.fake_comfydeploy.caller import Caller
from tests.contract.fake_comfydeploy.receiver import Receiver
from tests.harness import Clock

QUICK = PICTURE_ID
SMALL = {"width": 256, "height": 256}


@pytest.mark.parametrize(("ends_as", "made"), [("failed", 0), ("timeout", 1), ("cancelled", 2)])
async def test_a_run_can_end_early(caller: Caller, receiver: Receiver, ends_as: str, made: int) -> None:
    caller.comfydeploy.next_faults(Faults.model_validate({"ends_as": ends_as, "made": made}))
    inputs = {"batch": 2, **SMALL}
    run_id = await caller.finish(VARIATIONS_ID, inputs=inputs, webhook=receiver.url())
    told = await caller.run(run_id)
    assert told["status"] == ends_as
    assert sum(len(output["data"]["images"]) for output in told["outputs"]) == made
    assert (told["progress"] == 1.0) is (made == 2)
    # The webhook has neither the reason of a failure nor the outputs.
    assert (receiver.statuses[-1], receiver.bodies[-1]["outputs"]) == (ends_as, [])


async def test_a_text_only_run_never_succeeds(caller: Caller, receiver: Receiver) -> None:
    ids = {each: await caller.finish(each, inputs={}) for each in (CAPTION_ID, CLASSIC_TEXT_ID)}
    told = {each: await caller.run(run_id) for each, run_id in ids.items()}
    assert [run["status"] for run in told.values()] == ["timeout", "running"]
    assert {(run["progress"], len(run["outputs"])) for run in told.values()} == {(1.0, 1)}


async def test_a_log_is_archived_five_seconds_after_its_last_line(receiver: Receiver) -> None:
    clock = Clock()
    async with FakeComfyDeploy(now=clock) as comfydeploy, aiohttp.ClientSession() as session:
        caller = Caller(session, comfydeploy)
        failed = await caller.finish(FAILS_ID, inputs={}, webhook=receiver.url())
        log = f"/api/v2/clickhouse-run-logs/{failed}"
        clock.move(seconds=4.9)
        assert (await caller.call("GET", log)).body == []
        clock.move(seconds=0.1)
        entries = (await caller.call("GET", log)).body
    assert list(entries[0]) == ["run_id", "timestamp", "log", "user_id", "org_id", "log_type"]
    assert (entries[0]["user_id"], entries[0]["org_id"], entries[0]["log_type"]) == (None, None, None)
    lines = [entry["log"] for entry in entries]
    assert lines.count("__END__") == 2
    assert "RuntimeError: mat1 and mat2" in "".join(lines)
    assert receiver.url() in lines[-1]
