"""`POST /run/deployment/queue`: start a run and answer, correctly or with a fault."""

from __future__ import annotations

import asyncio
import http
import json
from typing import Any

from aiohttp import web

from demo.fake_comfydeploy.call_log import QueueCall
from demo.fake_comfydeploy.deployments import DemoDeployment, Refusal
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.machine import Machine
from demo.fake_comfydeploy.queue_request import QueueRequest, parse_queue_request
from demo.fake_comfydeploy.runs import Run
from demo.fake_comfydeploy.wire import dump
from demo.fake_comfydeploy.world import World

NO_CREDITS = "Insufficient deployment owner's GPU credits to create run"
# The form in which the service passes on a machine's own answer, with the machine's status.
PASSED_THROUGH = "Error creating run: {status}, message='{reason}', url='http://machine.internal:8188/prompt'"
# What the service answers after several calls to a machine that answers 500 itself.
MACHINE_FAILS = "Error creating run: 500 Internal Server Error"
NODE_ERRORS = {
    "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"},
    "node_errors": {"30": {"errors": [{"type": "value_not_in_list"}], "class_type": "KSampler"}},
}


def answer(status: int, body: Any) -> web.Response:
    return web.Response(status=status, body=dump(body), content_type="application/json")


def detail(status: int, text: Any) -> web.Response:
    return answer(status, {"detail": text})


def plain_500() -> web.Response:
    """Return the answer that the real server gives after an unhandled error."""
    return web.Response(status=500, text="Internal Server Error", content_type="text/plain", charset="utf-8")


def failure(status: int) -> web.Response:
    return plain_500() if status == 500 else detail(status, "Service unavailable")


def passed_through(status: int) -> web.Response:
    reason = http.HTTPStatus(status).phrase
    return detail(status, PASSED_THROUGH.format(status=status, reason=reason))


class QueueEndpoint:
    def __init__(self, world: World, machine: Machine) -> None:
        self._world = world
        self._machine = machine

    async def queue(self, request: web.Request) -> web.Response:
        body = await request.read()
        call = QueueCall(at=self._world.now().timestamp(), body=_readable(body))
        self._world.call_log.queue_calls.append(call)
        response = await self._answer(request, body, call)
        if request.transport is not None and not request.transport.is_closing():
            call.status = response.status
        return response

    async def _answer(self, request: web.Request, body: bytes, call: QueueCall) -> web.Response:
        asked = parse_queue_request(body)
        if isinstance(asked, list):
            return detail(422, asked)
        deployment = self._world.deployments.get(str(asked.deployment_id))
        if deployment is None:
            return detail(404, "Deployment not found")
        if deployment.refusal is not None:
            return await self._refuse(deployment, asked, call)
        own = self._world.plan.take()
        return await self._start(request, self._run(deployment, asked, own), asked, call)

    async def _refuse(self, deployment: DemoDeployment, asked: QueueRequest, call: QueueCall) -> web.Response:
        match deployment.refusal:
            case Refusal.NO_CREDITS:
                return detail(403, NO_CREDITS)
            case Refusal.MACHINE_REFUSES:
                return passed_through(401)
            case Refusal.MACHINE_FAILS:
                return detail(500, MACHINE_FAILS)
            case Refusal.NODE_ERRORS:
                run = self._run(deployment, asked, None)
                self._book(run, call)
                self._machine.reject(run)
                await _first_webhook(run)
                return detail(400, NODE_ERRORS)
            case _:
                return plain_500()

    async def _start(
        self, request: web.Request, run: Run, asked: QueueRequest, call: QueueCall
    ) -> web.Response:
        faults = run.faults
        started = [run] if faults.starts else []
        started += [self._run(run.deployment, asked, run.own_faults) for _ in range(faults.starts - 1)]
        for each in started:
            self._book(each, call)
            self._machine.start(each)
        if faults.webhook_before_reply and started:
            await _first_webhook(run)
        await asyncio.sleep(faults.queue_delay)
        if faults.hold_at == "reply":
            with self._world.activity.counted():
                await run.released.wait(self._world.activity)
        if faults.queue_drop:
            _hang_up(request)
        if faults.machine_status is not None:
            return passed_through(faults.machine_status)
        if faults.queue_status is not None:
            return failure(faults.queue_status)
        return answer(200, {"run_id": run.id})

    def _book(self, run: Run, call: QueueCall) -> None:
        self._world.runs.add(run)
        call.run_ids.append(run.id)

    def _run(self, deployment: DemoDeployment, asked: QueueRequest, own: Faults | None) -> Run:
        return Run(
            deployment=deployment,
            inputs=dict(asked.inputs),
            webhook=asked.webhook,
            intermediate=bool(asked.webhook_intermediate_status),
            # A GPU that the deployment pins wins over the request's.
            gpu=deployment.gpu or (asked.gpu and asked.gpu.value),
            created_at=self._world.now(),
            plan=self._world.plan,
            own_faults=own,
        )


def _readable(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


async def _first_webhook(run: Run) -> None:
    if run.webhook and not run.faults.webhook_drop:
        await run.first_webhook.wait()


def _hang_up(request: web.Request) -> None:
    """Cut the connection, so that the client doesn't know whether its call arrived."""
    if request.transport is not None:
        request.transport.abort()
