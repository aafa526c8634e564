"""Every fault of the fake ComfyDeploy, seen from outside."""

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

QUICK = PICTURE_ID
SMALL = {"width": 256, "height": 256}


async def finish(
    caller: Caller, comfydeploy: FakeComfyDeploy, receiver: Receiver, faults: Faults, **fields: bool
) -> str:
    comfydeploy.next_faults(faults)
    return await caller.finish(QUICK, inputs=SMALL, webhook=receiver.url(), **fields)


@pytest.mark.parametrize("starts", [0, 1, 3])
async def test_a_failing_queue_call_may_have_started_runs(
    caller: Caller, comfydeploy: FakeComfyDeploy, starts: int
) -> None:
    comfydeploy.next_faults(Faults(queue_status=500, queue_starts=starts))
    reply = await caller.queue(QUICK, inputs=SMALL)
    assert (reply.status, reply.text) == (500, "Internal Server Error")
    assert len(comfydeploy.call_log.queue_calls[0].run_ids) == starts


async def test_a_dropped_queue_call_has_started_its_run(
    caller: Caller, comfydeploy: FakeComfyDeploy, receiver: Receiver
) -> None:
    comfydeploy.next_faults(Faults(queue_drop=True))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await caller.queue(QUICK, inputs=SMALL, webhook=receiver.url("/key-1"))
    await comfydeploy.idle()
    assert len(comfydeploy.call_log.runs_for("key-1")) == 1
    assert receiver.bodies[-1]["status"] == "success"
    assert comfydeploy.call_log.queue_calls[0].status is None


async def test_the_first_webhook_can_precede_the_queue_answer(
    caller: Caller, comfydeploy: FakeComfyDeploy, receiver: Receiver
) -> None:
    comfydeploy.next_faults(Faults(webhook_before_reply=True, hold_at="queued"))
    await caller.start(QUICK, inputs=SMALL, webhook=receiver.url())
    assert [body["status"] for body in receiver.bodies] == ["queued"]


async def test_a_delayed_answer_still_names_the_run(caller: Caller, comfydeploy: FakeComfyDeploy) -> None:
    comfydeploy.next_faults(Faults(queue_delay=0.05))
    assert await caller.start(QUICK, inputs=SMALL) in comfydeploy.call_log.queue_calls[0].run_ids


@pytest.mark.parametrize("status", [404, 500])
async def test_the_get_can_fail_and_recover(
    caller: Caller, comfydeploy: FakeComfyDeploy, status: int
) -> None:
    run_id = await caller.start(QUICK, inputs=SMALL)
    comfydeploy.faults = Faults(get_status=status)
    assert (await caller.call("GET", f"/api/run/{run_id}")).status == status
    comfydeploy.faults = Faults()
    assert (await caller.call("GET", f"/api/run/{run_id}")).status == 200


async def test_one_bad_deployment_takes_the_whole_list_away(
    caller: Caller, comfydeploy: FakeComfyDeploy
) -> None:
    comfydeploy.faults = Faults(deployment_status=500)
    assert (await caller.call("GET", "/api/deployments")).status == 500


async def test_webhooks_can_be_doubled(
    caller: Caller, comfydeploy: FakeComfyDeploy, receiver: Receiver
) -> None:
    await finish(caller, comfydeploy, receiver, Faults(webhook_duplicate=True))
    statuses = [body["status"] for body in receiver.bodies]
    assert statuses[::2] == statuses[1::2]
    assert len(statuses) == 10


async def test_webhooks_can_be_swapped(
    caller: Caller, comfydeploy: FakeComfyDeploy, receiver: Receiver
) -> None:
    await finish(caller, comfydeploy, receiver, Faults(webhook_reorder=True))
    assert [b["status"] for b in receiver.bodies] == ["started", "queued", "uploading", "running", "success"]


async def test_webhooks_can_be_lost(caller: Caller, comfydeploy: FakeComfyDeploy, receiver: Receiver) -> None:
    run_id = await finish(caller, comfydeploy, receiver, Faults(webhook_drop=True))
    assert receiver.received == []
    assert (await caller.run(run_id))["status"] == "success"


async def test_webhooks_can_arrive_as_get_only(
    caller: Caller, comfydeploy: FakeComfyDeploy, receiver: Receiver
) -> None:
    await finish(caller, comfydeploy, receiver, Faults(webhook_get_only=True))
    assert {each.method for each in receiver.received} == {"GET"}


async def test_the_other_dialect_has_its_own_words_and_percent(
    caller: Caller, comfydeploy: FakeComfyDeploy, receiver: Receiver
) -> None:
    faults = Faults(other_dialect=True)
    await finish(caller, comfydeploy, receiver, faults, webhook_intermediate_status=True)
    assert {body["status"] for body in receiver.bodies} == {"queued", "processing", "completed"}
    assert 1 < max(body["progress"] for body in receiver.bodies) <= 100


async def test_the_terminal_event_can_lack_outputs_that_the_get_has(
    caller: Caller, comfydeploy: FakeComfyDeploy, receiver: Receiver
) -> None:
    run_id = await finish(caller, comfydeploy, receiver, Faults(outputs_missing=True))
    assert (receiver.bodies[-1]["status"], receiver.bodies[-1]["outputs"]) == ("success", [])
    assert len((await caller.run(run_id))["outputs"]) == 2  # the picture and a preview


async def test_a_run_can_stay_running_for_ever(
    caller: Caller, comfydeploy: FakeComfyDeploy, receiver: Receiver
) -> None:
    run_id = await finish(caller, comfydeploy, receiver, Faults(never_ends=True))
    told = await caller.run(run_id)
    assert (told["status"], told["progress"], len(told["outputs"])) == ("running", 1.0, 2)
    assert (await caller.call("POST", f"/api/run/{run_id}/cancel")).status == 200
    assert (await caller.run(run_id))["status"] == "cancelled"


async def test_a_run_can_end_without_a_webhook(
    caller: Caller, comfydeploy: FakeComfyDeploy, receiver: Receiver
) -> None:
    faults = Faults(silent_end=True, ends_as="timeout")
    run_id = await finish(caller, comfydeploy, receiver, faults, webhook_intermediate_status=True)
    assert "timeout" not in [body["status"] for body in receiver.bodies]
    assert (await caller.run(run_id))["status"] == "timeout"


async def test_a_held_run_goes_on_when_released(caller: Caller, comfydeploy: FakeComfyDeploy) -> None:
    comfydeploy.next_faults(Faults(hold_at="running"))
    run_id = await caller.finish(QUICK, inputs=SMALL)
    assert (await caller.run(run_id))["status"] == "running"
    assert comfydeploy.release(run_id) == 1
    await comfydeploy.idle()
    assert (await caller.run(run_id))["status"] == "success"


async def test_a_cancelled_run_can_succeed_all_the_same(
    caller: Caller, comfydeploy: FakeComfyDeploy, receiver: Receiver
) -> None:
    comfydeploy.next_faults(Faults(hold_at="running", success_after_cancel=True))
    run_id = await caller.finish(QUICK, inputs=SMALL, webhook=receiver.url())
    await caller.call("POST", f"/api/run/{run_id}/cancel")
    await comfydeploy.idle()
    assert [body["status"] for body in receiver.bodies][-2:] == ["cancelled", "success"]


async def test_cancelling_can_be_unsupported(caller: Caller, comfydeploy: FakeComfyDeploy) -> None:
    comfydeploy.faults = Faults(cancel_supported=False)
    run_id = await caller.start(QUICK, inputs=SMALL)
    reply = await caller.call("POST", f"/api/run/{run_id}/cancel")
    assert (reply.status, comfydeploy.call_log.cancel_calls[0].status) == (500, 500)


@pytest.mark.parametrize(
    ("body", "status", "content_type"),
    [("expired", 403, "application/xml"), ("private-redirect", 302, ""), ("wrong-type", 200, "text/html")],
)
async def test_output_files_can_be_something_else(
    caller: Caller, comfydeploy: FakeComfyDeploy, body: str, status: int, content_type: str
) -> None:
    reply = await caller.call("GET", await _output_url(caller, comfydeploy, body))
    assert reply.status == status
    assert content_type in reply.content_type


async def test_an_output_file_can_break_off(caller: Caller, comfydeploy: FakeComfyDeploy) -> None:
    url = await _output_url(caller, comfydeploy, "cut-off")
    with pytest.raises(aiohttp.ClientPayloadError):
        await caller.call("GET", url)


@pytest.mark.parametrize("body", ["endless", "slow"])
async def test_an_output_file_can_take_for_ever(
    caller: Caller, comfydeploy: FakeComfyDeploy, body: str
) -> None:
    url = await _output_url(caller, comfydeploy, body)
    async with caller.session.get(url) as reply:
        assert await reply.content.readexactly(1) == b"\x89"
        assert (reply.content_length is None) == (body == "endless")


async def _output_url(caller: Caller, comfydeploy: FakeComfyDeploy, body: str) -> str:
    comfydeploy.next_faults(Faults.model_validate({"body": body}))
    run_id = await caller.finish(PICTURE_ID, inputs={"width": 256, "height": 256})
    url: str = (await caller.run(run_id))["outputs"][-1]["data"]["images"][0]["url"]
    return url


@pytest.mark.parametrize("made", [0, 1, 2])
@pytest.mark.parametrize("ends_as", ["failed", "timeout", "cancelled"])
async def test_a_run_can_end_after_some_of_its_files(
    caller: Caller, comfydeploy: FakeComfyDeploy, receiver: Receiver, ends_as: str, made: int
) -> None:
    comfydeploy.next_faults(Faults.model_validate({"ends_as": ends_as, "made": made}))
    inputs = {"batch": 2, **SMALL}
    run_id = await caller.finish(VARIATIONS_ID, inputs=inputs, webhook=receiver.url())
    told = await caller.run(run_id)
    assert told["status"] == ends_as
    assert sum(len(output["data"]["images"]) for output in told["outputs"]) == made
    assert (told["progress"] == 1.0) is (made == 2)
    # Why a run failed and what it made is not told by the webhook.
    assert (receiver.bodies[-1]["status"], receiver.bodies[-1]["outputs"]) == (ends_as, [])


async def test_a_text_only_run_never_succeeds(caller: Caller, receiver: Receiver) -> None:
    ids = {each: await caller.finish(each, inputs={}) for each in (CAPTION_ID, CLASSIC_TEXT_ID)}
    told = {each: await caller.run(run_id) for each, run_id in ids.items()}
    assert [run["status"] for run in told.values()] == ["timeout", "running"]
    assert {(run["progress"], len(run["outputs"])) for run in told.values()} == {(1.0, 1)}


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
async def test_what_the_machine_answers_is_passed_through(
    caller: Caller, comfydeploy: FakeComfyDeploy, status: int
) -> None:
    comfydeploy.next_faults(Faults(machine_status=status))
    for deployment_id, expected in ((QUICK, status), (MACHINE_REFUSES_ID, 401)):
        reply = await caller.queue(deployment_id, inputs={})
        assert reply.status == expected
        assert reply.body["detail"].startswith("Error creating run: ")


async def test_the_log_of_a_failed_run_ends_with_its_error(
    caller: Caller, comfydeploy: FakeComfyDeploy
) -> None:
    failed = await caller.finish(FAILS_ID, inputs={})
    path = "/api/v2/clickhouse-run-logs"
    entries = (await caller.call("GET", f"{path}/{failed}")).body
    assert list(entries[0]) == ["run_id", "timestamp", "log", "user_id", "org_id", "log_type"]
    assert "RuntimeError: mat1 and mat2" in "".join(entry["log"] for entry in entries)
    done = await caller.finish(QUICK, inputs=SMALL)
    assert (await caller.call("GET", f"{path}/{done}")).body == []
    assert (await caller.call("GET", f"{path}/no-such-run")).status == 404
    comfydeploy.faults = Faults(log_status=500)
    assert (await caller.call("GET", f"{path}/{failed}")).status == 500


def test_a_chaos_run_repeats_with_its_seed() -> None:
    odds = {"lost_reply": 0.3, "failed": 0.3}
    one, same, other = (Chaos(odds, seed) for seed in (7, 7, 8))
    draws = [[chaos.draw() for _ in range(50)] for chaos in (one, same, other)]
    assert draws[0] == draws[1] != draws[2]
    assert any(fault.queue_drop for fault in draws[0])


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="meteor"):
        Chaos({"meteor": 1.0})
