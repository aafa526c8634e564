"""Compare the fake ComfyDeploy's answers and webhooks with those recorded from the real server."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from demo.fake_comfydeploy.deployments import (
    CLASSIC_ID,
    EVERY_INPUT_ID,
    MACHINE_DOWN_ID,
    NO_CREDITS_ID,
    PICTURE_ID,
    REJECTS_ID,
    SLOW_ID,
    VIDEO_ID,
)
from demo.fake_comfydeploy.faults import Faults
from tests.contract.fake_comfydeploy.caller import Caller, Receiver, Reply
from tests.unit.comfydeploy.samples import sample

NOWHERE = "11111111-2222-4333-8444-555555555555"


def same(reply: Reply, recorded: dict[str, Any]) -> None:
    assert (reply.status, reply.content_type) == (recorded["status"], recorded["content_type"])
    told = reply.body if reply.content_type == "application/json" else reply.text
    assert told == recorded["body"]


WRONG_KEY = {"headers": {"Authorization": "bearer standin-key"}}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("queue_bad_gpu", {"json": {"deployment_id": PICTURE_ID, "inputs": {}, "gpu": "RTX4090"}}),
        ("queue_free_no_credits", {"json": {"deployment_id": NO_CREDITS_ID, "inputs": {}}}),
        ("queue_machine_down", {"json": {"deployment_id": MACHINE_DOWN_ID, "inputs": {}}}),
        ("queue_unknown_deployment", {"json": {"deployment_id": NOWHERE, "inputs": {}}}),
        ("queue_no_auth", {"json": {}, "headers": {}}),
        ("queue_no_auth", {"json": {}, **WRONG_KEY}),
        ("deployment_get_unknown", {}),
        ("run_cancel_unknown", {}),
        ("run_get_unknown", {}),
    ],
)
async def test_calls_are_refused_as_recorded(caller: Caller, name: str, more: dict[str, Any]) -> None:
    recorded = sample(name)
    asked = recorded["request"]
    same(await caller.call(asked["method"], asked["path"], **more), recorded["response"])
    assert not any(call.run_ids for call in caller.comfydeploy.call_log.queue_calls)


@pytest.mark.parametrize("value", [None, {}, {"a": 1}, [[1]]])
async def test_null_and_object_inputs_are_a_422_that_names_the_input(caller: Caller, value: Any) -> None:
    reply = await caller.queue(PICTURE_ID, inputs={"prompt": value})
    assert reply.status == 422
    assert all(item["loc"][:3] == ["body", "inputs", "prompt"] for item in reply.body["detail"])


async def test_a_rejected_workflow_sends_a_webhook_before_the_400(caller: Caller, receiver: Receiver) -> None:
    reply = await caller.queue(REJECTS_ID, inputs={}, webhook=receiver.url())
    assert reply.status == 400
    assert [body["status"] for body in receiver.bodies["/hook"]] == ["failed"]
    assert "run_id" not in reply.body


async def test_a_finished_run_has_the_recorded_keys_in_order(caller: Caller, receiver: Receiver) -> None:
    run_id = await caller.finish(PICTURE_ID, inputs={"prompt": "a fox"}, webhook=receiver.url("/h?k=secret"))
    told = await caller.run(run_id)
    recorded = sample("run_success_serverless_intermediate")["get_run_states"][-1]["body"]
    assert list(told) == list(recorded)
    for key in recorded.keys() - {"outputs", "webhook_intermediate_status"}:
        assert type(told[key]) is type(recorded[key]), key
    assert told["webhook"] == receiver.url("/h?k=secret")
    output, as_recorded = told["outputs"][-1], recorded["outputs"][1]
    assert list(output) == list(as_recorded)
    assert list(output["data"]["images"][0]) == list(as_recorded["data"]["images"][0])


async def test_a_waiting_run_has_its_position_only_on_request(caller: Caller) -> None:
    caller.comfydeploy.faults = Faults(hold_at="running")
    ids = [await caller.start(SLOW_ID, inputs={}) for _ in range(3)]
    await caller.comfydeploy.idle()
    positions = [(await caller.run(id_, "?queue_position=true"))["queue_position"] for id_ in ids]
    assert positions == [None, 0, 1]
    assert [(await caller.run(id_))["queue_position"] for id_ in ids] == [None, None, None]
    asked = await caller.call("GET", f"/api/run?run_id={ids[1]}&queue_position=true")
    assert asked.body["queue_position"] == 0


async def test_cancelling_is_answered_as_recorded(caller: Caller) -> None:
    recorded = sample("run_cancelled_by_api")["during"][0]["response"]
    caller.comfydeploy.faults = Faults(hold_at="running")
    run_id = await caller.start(PICTURE_ID, inputs={})
    same(await caller.cancel(run_id), recorded)
    same(await caller.cancel(run_id), recorded)
    assert (await caller.run(run_id))["status"] == "cancelled"


async def test_a_classic_machine_cannot_cancel(caller: Caller) -> None:
    exchanges = sample("run_not_started_queue_position")["exchanges"]
    recorded = exchanges["cancel of a run on a classic machine (no modal call id)"]["response"]
    run_id = await caller.start(CLASSIC_ID, inputs={})
    same(await caller.cancel(run_id), recorded)
    await caller.comfydeploy.idle()
    assert (await caller.run(run_id))["status"] == "success"


async def test_a_deployment_has_the_recorded_keys_and_input_classes(caller: Caller) -> None:
    told = (await caller.call("GET", f"/api/deployment/{EVERY_INPUT_ID}")).body
    recorded = sample("deployment_get_ok")["response"]["body"]
    assert list(told) == list(recorded)
    assert list(told["version"]) == list(recorded["version"])
    types = {item["class_type"]: item for item in told["input_types"]}
    for item in recorded["input_types"]:
        mine = types[item["class_type"]]
        assert (list(mine), mine["type"]) == (list(item), item["type"])
    nodes = told["version"]["workflow_api"].values()
    assert any(node["inputs"].get("bearer_token") for node in nodes), "the raw workflow has its secrets"


async def test_an_upload_is_answered_with_the_recorded_keys_and_served(caller: Caller) -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"\x89PNG", filename="in.png", content_type="image/png")
    told = (await caller.call("POST", "/api/file/upload", data=form)).body
    assert list(told) == list(sample("file_upload")["response"]["body"])
    served = await caller.call("GET", told["file_url"])
    assert (served.status, served.content_type) == (200, "image/png")


async def test_a_webhook_has_the_recorded_keys_in_their_order(caller: Caller, receiver: Receiver) -> None:
    await caller.start(PICTURE_ID, inputs={}, webhook=receiver.url())
    await caller.finish(VIDEO_ID, inputs={}, webhook=receiver.url("/video"))
    recorded = sample("run_success_target_output_intermediate")["webhooks"][-1]["body"]
    picture, video = receiver.bodies["/hook"][-1], receiver.bodies["/video"][-1]
    assert list(picture) == list(recorded)
    images, files = recorded["outputs"][1], recorded["outputs"][2]
    assert list(picture["outputs"][-1]) == list(images)
    assert set(picture["outputs"][-1]["data"]["images"][0]) == set(images["data"]["images"][0])
    assert set(video["outputs"][-1]) == set(files)
    assert set(video["outputs"][-1]["data"]["gifs"][0]) == set(files["data"]["files"][0])
