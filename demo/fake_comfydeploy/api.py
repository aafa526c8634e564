"""The routes below `/api`, with the status codes and bodies that were recorded from the real service."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from aiohttp import BodyPartReader, web
from aiohttp.typedefs import Middleware

from demo.fake_comfydeploy.call_log import Answered, CallLog, CancelCall
from demo.fake_comfydeploy.describe import describe
from demo.fake_comfydeploy.faults import FaultPlan
from demo.fake_comfydeploy.machine import Machine
from demo.fake_comfydeploy.queue_endpoint import QueueEndpoint, answer, detail, failure, plain_500
from demo.fake_comfydeploy.runs import Run
from demo.fake_comfydeploy.wire import log_of, run_for_get
from demo.fake_comfydeploy.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NO_CANCEL = "Error cancel function 404: Run not found or has no modal function call ID"
UPLOAD_PREFIXES = {"image": "img", "video": "vid", "audio": "aud", "application": "file"}
ARCHIVED_AFTER = timedelta(seconds=5)
UPLOAD_LIMIT = 250 * 1024**2


def gate(api_key: str, plan: FaultPlan) -> Middleware:
    """Return a middleware that checks the key, and redirects paths with a trailing slash as the service does.

    During an outage (`plan.away`) it answers every call and download with 503.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if plan.away and request.path.startswith(("/api/", "/files/")):
            return failure(503)
        if not request.path.startswith("/api/"):
            return await handler(request)
        if request.path.endswith("/"):
            target = request.url.with_path(request.path.rstrip("/")).with_query(request.query)
            return web.Response(status=307, headers={"Location": str(target)})
        if plan.key_revoked or request.headers.get("Authorization") != f"Bearer {api_key}":
            return detail(401, "Invalid or missing token")
        try:
            return await handler(request)
        except web.HTTPException as error:
            return detail(error.status, error.reason)

    return check


def noted(call_log: CallLog, now: Callable[[], datetime]) -> Middleware:
    """Return a middleware that logs every request with its answer's status."""

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        at, status = now().timestamp(), 0
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            told = {"method": request.method, "path": request.path}
            call_log.answered.append(Answered(at=at, ended=now().timestamp(), status=status, **told))

    return note


class Api:
    def __init__(self, world: World, machine: Machine, queue_endpoint: QueueEndpoint) -> None:
        self._world = world
        self._machine = machine
        self._queue_endpoint = queue_endpoint

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/run/deployment/queue", self._queue_endpoint.queue),
            web.get("/api/run", self.get_run),
            web.get("/api/run/{run_id}", self.get_run),
            web.post("/api/run/{run_id}/cancel", self.cancel),
            web.get("/api/v2/clickhouse-run-logs/{run_id}", self.get_log),
            web.get("/api/deployment/{deployment_id}", self.get_deployment),
            web.post("/api/file/upload", self.upload),
        ]

    async def get_run(self, request: web.Request) -> web.Response:
        run = self._world.runs.get(request.match_info.get("run_id") or request.query.get("run_id", ""))
        status = (run.faults if run else self._world.plan.everywhere).get_status
        if run is None or status == 404:
            return detail(404, "Run not found")
        if status is not None:
            return failure(status)
        asked = request.query.get("queue_position", "false").lower() in {"true", "1", "yes", "on"}
        position = self._world.runs.queue_position(run) if asked else None
        return answer(200, run_for_get(run, self._world.bucket.link, position))

    async def get_log(self, request: web.Request) -> web.Response:
        """Return a run's log, which is empty until ARCHIVED_AFTER has passed since its last line."""
        run = self._world.runs.get(request.match_info["run_id"])
        self._world.call_log.logs_read.append(request.match_info["run_id"])
        status = (run.faults if run else self._world.plan.everywhere).log_status
        if run is None or status == 404:
            return detail(404, "Run not found")
        if status is not None:
            return failure(status)
        archived = run.log and self._world.now() >= run.log[-1].at + ARCHIVED_AFTER
        return answer(200, log_of(run) if archived else [])

    async def cancel(self, request: web.Request) -> web.Response:
        run_id = request.match_info["run_id"]
        response = await self._cancel(self._world.runs.get(run_id))
        call = CancelCall(at=self._world.now().timestamp(), run_id=run_id, status=response.status)
        self._world.call_log.cancel_calls.append(call)
        return response

    async def _cancel(self, run: Run | None) -> web.Response:
        if run is None or run.deployment.classic or not run.faults.cancel_supported:
            return detail(500, NO_CANCEL)
        await self._machine.cancel(run)
        return answer(200, {"status": "success", "message": "Function cancelled"})

    async def get_deployment(self, request: web.Request) -> web.Response:
        if status := self._world.plan.everywhere.deployment_status:
            return failure(status)
        deployment = self._world.deployments.get(request.match_info["deployment_id"])
        if deployment is None:
            return detail(500, "Internal server error")
        return answer(200, describe(deployment)) if deployment.is_describable else plain_500()

    async def upload(self, request: web.Request) -> web.Response:
        field = await (await request.multipart()).next()
        if not isinstance(field, BodyPartReader) or field.name != "file":
            return detail(422, [{"type": "missing", "loc": ["body", "file"], "msg": "Field required"}])
        name, content_type = field.filename or "file", field.headers.get("Content-Type", "")
        prefix = UPLOAD_PREFIXES.get(content_type.partition("/")[0])
        content = bytes(await field.read())
        if prefix is None or len(content) > UPLOAD_LIMIT:
            return detail(400, "Unsupported or too large file")
        file_id = f"{prefix}_{secrets.token_hex(8)}"
        path = f"inputs/{file_id}.{name.rpartition('.')[2]}"
        self._world.bucket.put(path, content, content_type)
        told = {"message": "File uploaded successfully", "file_id": file_id, "file_name": name}
        return answer(200, {**told, "file_url": self._world.bucket.link(path)})
