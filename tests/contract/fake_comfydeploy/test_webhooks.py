"""Compare the fake ComfyDeploy's webhooks with the recorded ones."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

from demo.fake_comfydeploy.deployments import PICTURE_ID, VIDEO_ID
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.contract.fake_comfydeploy.caller import Caller, Receiver, sample


async def test_every_change_of_status_is_posted_once(caller: Caller, receiver: Receiver) -> None:
    run_id = await caller.finish(PICTURE_ID, inputs={}, webhook=receiver.url())
    # Each has a connection of its own, so they may overtake each other.
    statuses = {"queued", "started", "running", "uploading", "success"}
    assert {body["status"] for body in receiver.bodies} == statuses
    assert len(receiver.bodies) == len(statuses)
    assert {each.method for each in receiver.received} == {"POST"}
    assert {body["run_id"] for body in receiver.bodies} == {run_id}


async def test_the_body_has_the_recorded_keys_in_their_order(caller: Caller, receiver: Receiver) -> None:
    await caller.start(PICTURE_ID, inputs={}, webhook=receiver.url())
    await caller.finish(VIDEO_ID, inputs={}, webhook=receiver.url("/video"))
    recorded = sample("run_success_target_output_intermediate")["webhooks"][-1]["body"]
    picture, video = (
        [r.body for r in receiver.received if r.path == path][-1] for path in ("/hook", "/video")
    )
    assert list(picture) == list(recorded)
    images, files = recorded["outputs"][1], recorded["outputs"][2]
    assert list(picture["outputs"][-1]) == list(images)
    assert set(picture["outputs"][-1]["data"]["images"][0]) == set(images["data"]["images"][0])
    assert set(video["outputs"][-1]) == set(files)
    assert set(video["outputs"][-1]["data"]["gifs"][0]) == set(files["data"]["files"][0])


async def test_progress_is_sent_on_request_and_without_outputs(caller: Caller, receiver: Receiver) -> None:
    progress = {"webhook": receiver.url("/asked"), "webhook_intermediate_status": True}
    await caller.start(PICTURE_ID, inputs={}, **progress)
    await caller.finish(PICTURE_ID, inputs={}, webhook=receiver.url("/not-asked"))
    asked, silent = (
        [r.body for r in receiver.received if r.path == path] for path in ("/asked", "/not-asked")
    )
    progress = [body for body in asked if body["live_status"] and body["status"] == "running"]
    assert [body["outputs"] for body in progress] == [[]] * 6
    assert sorted(body["progress"] for body in progress) == [body["progress"] for body in progress]
    assert not [body for body in silent if body["live_status"] and body["status"] == "running"]


async def test_a_late_report_is_a_success_without_outputs(caller: Caller, receiver: Receiver) -> None:
    progress = {"webhook": receiver.url(), "webhook_intermediate_status": True}
    run_id = await caller.finish(PICTURE_ID, inputs={}, **progress)
    end, late = receiver.bodies[-2:]
    assert (end["status"], late["status"]) == ("success", "success")
    assert (bool(end["outputs"]), bool(late["outputs"])) == (True, False)
    stored, reported = (await caller.run(run_id))["progress"], late["progress"]
    assert reported == round(reported, 2)
    assert stored == end["progress"]
    assert stored == pytest.approx(reported, abs=1e-6)


async def test_retries_are_gets_with_the_same_body(caller: Caller, receiver: Receiver) -> None:
    receiver.answers.extend(web.Response(status=status) for status in (500, 503, 500))
    caller.comfydeploy.faults = Faults(hold_at="queued")
    run_id = await caller.finish(PICTURE_ID, inputs={}, webhook=receiver.url())
    assert [each.method for each in receiver.received] == ["POST", "GET", "GET"]
    assert len({each.text for each in receiver.received}) == 1
    attempts = [
        (a.run_id, a.method, a.attempt, a.answer) for a in caller.comfydeploy.call_log.webhook_attempts
    ]
    assert attempts == [(run_id, "POST", 1, 500), (run_id, "GET", 2, 503), (run_id, "GET", 3, 500)]


@pytest.mark.parametrize(("status", "arrives"), [(301, ""), (302, ""), (303, ""), (307, "run.updated")])
async def test_only_a_307_keeps_the_body_and_any_2xx_after_it_counts(
    caller: Caller, receiver: Receiver, status: int, arrives: str
) -> None:
    receiver.answers.append(web.Response(status=status, headers={"Location": "/elsewhere"}))
    caller.comfydeploy.faults = Faults(hold_at="queued")
    await caller.finish(PICTURE_ID, inputs={}, webhook=receiver.url())
    assert [each.path for each in receiver.received] == ["/hook", "/elsewhere"]
    assert ((receiver.received[1].body or {}).get("event_type", "")) == arrives


async def test_in_a_private_bucket_only_updates_and_the_get_carry_urls_that_open(receiver: Receiver) -> None:
    async with FakeComfyDeploy(private_bucket=True) as comfydeploy, aiohttp.ClientSession() as session:
        caller = Caller(session, comfydeploy)
        url = receiver.url("/hook?target_events=run.output")
        run_id = await caller.start(VIDEO_ID, inputs={}, webhook=url)
        await comfydeploy.idle()
        by_type = {body["event_type"]: body for body in receiver.bodies if body["outputs"]}
        told = [by_type["run.output"], by_type["run.updated"], await caller.run(run_id)]
        urls = [each["outputs"][0]["data"]["gifs"][0]["url"] for each in told]
        assert [(await caller.call("GET", url)).status for url in urls] == [403, 200, 200]
