"""The faults of the fake ComfyDeploy, as its callers see them."""

from __future__ import annotations

import aiohttp
import pytest

from demo.fake_comfydeploy.deployments import (
    CAPTION_ID,
    CLASSIC_TEXT_ID,
    FAILS_ID,
    MACHINE_REFUSES_ID,
    PICTURE_ID,
    VARIATIONS_ID,
)
from demo.fake_comfydeploy.faults import Chaos, Faults
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.contract.fake_comfydeploy.caller import Caller
from tests.contract.fake_comfydeploy.receiver import Receiver
from tests.harness import Clock

QUICK = PICTURE_ID
SMALL = {"width": 256, "height": 256}
STATUSES = ["queued", "started", "running", "uploading", "success"]


async def finish(caller: Caller, receiver: Receiver, faults: Faults, **fields: bool) -> str:
    """Finish a run with these faults and return its id."""
    caller.comfydeploy.next_faults(faults)
    return await caller.finish(QUICK, inputs=SMALL, webhook=receiver.url(), **fields)


@pytest.mark.parametrize("starts", [0, 1, 3])
async def test_a_failing_queue_call_may_have_started_runs(caller: Caller, starts: int) -> None:
    caller.comfydeploy.next_faults(Faults(queue_status=500, queue_starts=starts))
    reply = await caller.queue(QUICK, inputs=SMALL)
    assert (reply.status, reply.text) == (500, "Internal Server Error")
    assert len(caller.comfydeploy.call_log.queue_calls[0].run_ids) == starts


async def test_a_dropped_queue_call_has_started_its_run(caller: Caller, receiver: Receiver) -> None:
    caller.comfydeploy.next_faults(Faults(queue_drop=True))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await caller.queue(QUICK, inputs=SMALL, webhook=receiver.url("/key-1"))
    await caller.comfydeploy.idle()
    assert len(caller.comfydeploy.call_log.runs_for("key-1")) == 1
    assert receiver.statuses[-1] == "success"
    assert caller.comfydeploy.call_log.queue_calls[0].status is None


async def test_the_first_webhook_can_precede_the_queue_answer(caller: Caller, receiver: Receiver) -> None:
    caller.comfydeploy.next_faults(Faults(webhook_before_reply=True, hold_at="queued"))
    await caller.start(QUICK, inputs=SMALL, webhook=receiver.url())
    assert receiver.statuses == ["queued"]


async def test_the_first_events_can_have_an_undocumented_status(caller: Caller, receiver: Receiver) -> None:
    caller.comfydeploy.next_faults(Faults(undocumented=True, webhook_before_reply=True, hold_at="queued"))
    await caller.start(QUICK, inputs=SMALL, webhook=receiver.url())
    assert receiver.statuses == ["provisioning"]


async def test_a_delayed_answer_has_the_runs_id(caller: Caller) -> None:
    caller.comfydeploy.next_faults(Faults(queue_delay=0.05))
    run_id = await caller.start(QUICK, inputs=SMALL)
    assert run_id in caller.comfydeploy.call_log.queue_calls[0].run_ids


async def test_lookups_can_fail_and_recover(caller: Caller) -> None:
    run_id = await caller.start(QUICK, inputs=SMALL)
    for path, faults in (
        (f"/api/run/{run_id}", {"get_status": 404}),
        (f"/api/run/{run_id}", {"get_status": 500}),
        ("/api/deployments", {"deployment_status": 500}),
    ):
        caller.comfydeploy.faults = Faults.model_validate(faults)
        assert (await caller.call("GET", path)).status in faults.values()
        caller.comfydeploy.faults = Faults()
        assert (await caller.call("GET", path)).status == 200


@pytest.mark.parametrize(
    ("faults", "statuses", "end"),
    [
        (Faults(webhook_duplicate=True), [each for each in STATUSES for _ in range(2)], "success"),
        (Faults(webhook_reorder=True), ["started", "queued", "uploading", "running", "success"], "success"),
        (Faults(webhook_drop=True), [], "success"),
        (Faults(silent_end=True, ends_as="timeout"), STATUSES[:3], "timeout"),
    ],
    ids=["duplicated", "reordered", "lost", "only the end lost"],
)
async def test_webhooks_can_be_duplicated_reordered_or_lost(
    caller: Caller, receiver: Receiver, faults: Faults, statuses: list[str], end: str
) -> None:
    run_id = await finish(caller, receiver, faults)
    assert receiver.statuses == statuses
    assert (await caller.run(run_id))["status"] == end


async def test_webhooks_can_arrive_as_get_only(caller: Caller, receiver: Receiver) -> None:
    await finish(caller, receiver, Faults(webhook_get_only=True))
    assert {each.method for each in receiver.received} == {"GET"}


async def test_the_other_dialect_has_its_own_statuses(caller: Caller, receiver: Receiver) -> None:
    await finish(caller, receiver, Faults(other_dialect=True), webhook_intermediate_status=True)
    assert set(receiver.statuses) == {"queued", "processing", "completed"}
    assert 1 < max(body["progress"] for body in receiver.bodies) <= 100


async def test_the_last_webhook_can_lack_the_outputs(caller: Caller, receiver: Receiver) -> None:
    run_id = await finish(caller, receiver, Faults(outputs_missing=True))
    assert (receiver.statuses[-1], receiver.bodies[-1]["outputs"]) == ("success", [])
    assert len((await caller.run(run_id))["outputs"]) == 2  # the picture and a preview


async def test_a_run_can_stay_running_for_ever(caller: Caller, receiver: Receiver) -> None:
    run_id = await finish(caller, receiver, Faults(never_ends=True))
    told = await caller.run(run_id)
    assert (told["status"], told["progress"], len(told["outputs"])) == ("running", 1.0, 2)
    assert (await caller.cancel(run_id)).status == 200
    assert (await caller.run(run_id))["status"] == "cancelled"


async def test_a_held_run_continues_once_it_is_released(caller: Caller) -> None:
    caller.comfydeploy.next_faults(Faults(hold_at="running"))
    run_id = await caller.finish(QUICK, inputs=SMALL)
    assert (await caller.run(run_id))["status"] == "running"
    assert caller.comfydeploy.release(run_id) == 1
    await caller.comfydeploy.idle()
    assert (await caller.run(run_id))["status"] == "success"


async def test_a_cancelled_run_can_succeed(caller: Caller, receiver: Receiver) -> None:
    run_id = await finish(caller, receiver, Faults(hold_at="running", success_after_cancel=True))
    await caller.cancel(run_id)
    await caller.comfydeploy.idle()
    assert receiver.statuses[-2:] == ["cancelled", "success"]


async def test_cancelling_can_be_unsupported(caller: Caller) -> None:
    caller.comfydeploy.faults = Faults(cancel_supported=False)
    reply = await caller.cancel(await caller.start(QUICK, inputs=SMALL))
    assert (reply.status, caller.comfydeploy.call_log.cancel_calls[0].status) == (500, 500)


@pytest.mark.parametrize(
    ("body", "status", "content_type"),
    [("expired", 403, "application/xml"), ("private-redirect", 302, ""), ("wrong-type", 200, "text/html")],
)
async def test_an_output_file_can_be_wrong(caller: Caller, body: str, status: int, content_type: str) -> None:
    reply = await caller.call("GET", await _output_url(caller, body))
    assert reply.status == status
    assert content_type in reply.content_type


async def test_an_output_file_can_be_cut_off(caller: Caller) -> None:
    url = await _output_url(caller, "cut-off")
    with pytest.raises(aiohttp.ClientPayloadError):
        await caller.call("GET", url)


@pytest.mark.parametrize("body", ["endless", "slow"])
async def test_an_output_file_can_take_for_ever(caller: Caller, body: str) -> None:
    async with caller.session.get(await _output_url(caller, body)) as reply:
        assert await reply.content.readexactly(1) == b"\x89"
        assert (reply.content_length is None) == (body == "endless")


async def _output_url(caller: Caller, body: str) -> str:
    caller.comfydeploy.next_faults(Faults.model_validate({"body": body}))
    run_id = await caller.finish(QUICK, inputs=SMALL)
    url: str = (await caller.run(run_id))["outputs"][-1]["data"]["images"][0]["url"]
    return url


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


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
async def test_the_machines_status_is_passed_through(caller: Caller, status: int) -> None:
    caller.comfydeploy.next_faults(Faults(machine_status=status))
    for deployment_id, expected in ((QUICK, status), (MACHINE_REFUSES_ID, 401)):
        reply = await caller.queue(deployment_id, inputs={})
        assert reply.status == expected
        assert reply.body["detail"].startswith("Error creating run: ")


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


async def test_the_log_of_another_run_or_of_none(caller: Caller) -> None:
    path = "/api/v2/clickhouse-run-logs"
    done = await caller.finish(QUICK, inputs=SMALL)
    assert (await caller.call("GET", f"{path}/{done}")).body == []
    assert (await caller.call("GET", f"{path}/no-such-run")).status == 404
    caller.comfydeploy.faults = Faults(log_status=500)
    assert (await caller.call("GET", f"{path}/{done}")).status == 500


def test_a_chaos_run_repeats_with_its_seed() -> None:
    odds = {"lost_reply": 0.3, "failed": 0.3}
    one, same, other = (Chaos(odds, seed) for seed in (7, 7, 8))
    draws = [[chaos.draw() for _ in range(50)] for chaos in (one, same, other)]
    assert draws[0] == draws[1] != draws[2]
    assert any(fault.queue_drop for fault in draws[0])


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="meteor"):
        Chaos({"meteor": 1.0})
