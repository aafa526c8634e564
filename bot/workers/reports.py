"""Record the backend's reports about runs, whether they came by webhook or by polling.

A webhook is authenticated, and a state change is stored before it is answered. Progress is buffered in memory
and written at most once a second, not in a transaction for each step of a run; it is lost if the process
dies, or if the database is unavailable.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.config.logs import run_context
from bot.context import App
from bot.domain.errors import BackendBadReply, RunGone, StoreUnavailable
from bot.domain.runs import IN_FLIGHT, RunReport, RunState
from bot.domain.transitions import is_progress
from bot.store.runs import ForeignRunReport

log = logging.getLogger(__name__)
_KNOWN_RUNS = 10_000
# A backend waits longer than this for its answer. A caller that needs this long to send 1 MiB isn't the
# backend.
BODY_SECONDS = 10.0


class ReportRecorder:
    """Records reports from webhooks and polling. A run without a report for `App.quiet_period` is polled."""

    def __init__(self, app: App) -> None:
        self._app = app
        # The state of each run, as the store has recorded it, and buffered progress.
        self._known: OrderedDict[str, RunState] = OrderedDict()
        self._progress: dict[str, RunReport] = {}

    def buffer(self, key: str, report: RunReport) -> bool:
        """Take a report that tells only progress, or nothing new; return False for any other."""
        state = self._known.get(key)
        if state is None:
            return False
        if state is RunState.SUCCEEDED:
            return True  # nothing that a webhook says changes a success
        # Outputs aren't progress, and after its last node the run is polled soon.
        has_ended = report.outputs or (report.progress is not None and report.progress >= 1)
        if has_ended or not is_progress(state, report.state):
            return False
        self._progress[key] = report
        self._app.wakeups.receive(["progress"])
        return True

    async def record(self, key: str, report: RunReport, *, asked: bool = False) -> RunState | None:
        """Record a report and return the run's state.

        Returns None if the report changed nothing, or only completed the data of an ended run.
        `asked` means that the report is a reply to GET /run, and therefore complete. Raises RunGone,
        ForeignRunReport or StoreUnavailable. Recording a report twice does no harm.
        """
        now, quiet = self._app.now(), self._app.quiet_period
        change = await self._app.store.runs.record_report(key, report, now, now + quiet, asked=asked)
        if change is None:
            return None
        # Remember the state for `buffer`, and drop the run's buffered progress.
        self._progress.pop(key, None)
        self._known.pop(key, None)
        if change.state in IN_FLIGHT or change.state is RunState.SUCCEEDED:
            self._known[key] = change.state
        if len(self._known) > _KNOWN_RUNS:
            self._known.popitem(last=False)
        if change.ends_run:
            log.info("recorded %s", change.state.value)
            self._app.wakeups.wake("show", "submit")
        elif change.visible:
            self._app.wakeups.wake("show")
        if isinstance(due_at := change.values.get("due_at"), datetime):
            self._app.wakeups.check_within(due_at - now)
        return change.state

    async def claim_progress(self, _room: int) -> Sequence[Mapping[str, RunReport]]:
        """Return the reports buffered since the last call, by run key."""
        reports, self._progress = self._progress, {}
        return [reports] if reports else []

    async def save_progress(self, reports: Mapping[str, RunReport]) -> None:
        """Store the reports that `claim_progress` returned."""
        now, quiet = self._app.now(), self._app.quiet_period
        await self._app.store.runs.save_progress(reports, now, now + quiet)
        self._app.wakeups.wake("show")
        self._app.wakeups.check_within(quiet)


def add_webhooks(server: web.Application, app: App, recorder: ReportRecorder) -> None:
    """Handle the backend's webhooks over HTTP."""

    async def receive(request: web.Request) -> web.Response:
        status = 500
        try:
            status = await _take(app, recorder, request)
            return web.Response(status=status)
        finally:
            app.metrics.webhooks[status].inc()

    for method, route in app.backend.webhooks:
        server.router.add_route(method, route, receive)


async def _take(app: App, recorder: ReportRecorder, request: web.Request) -> int:
    """Record a webhook, and return the status that answers it."""
    key = request.match_info["key"]
    if not app.backend.is_webhook_authentic(key, request.match_info["mac"]):
        return 403
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
        report = app.backend.read_webhook(body)
    except web.HTTPRequestEntityTooLarge:
        return 413
    except (OSError, web.RequestPayloadError, HttpProcessingError):  # too slow, cut off, or broken chunks
        return 400
    except BackendBadReply as error:
        log.warning("can't read a webhook: %s", error, extra={"run": key})
        return 400
    # Most webhooks, several a second of each run.
    if recorder.buffer(key, report):
        return 204
    with run_context(key):
        try:
            await recorder.record(key, report)
        except RunGone:
            log.warning("received a webhook for a run that the store doesn't know")
            return 404
        except ForeignRunReport as error:
            log.warning("received a webhook for another run: %s", error)
            return 409
        except StoreUnavailable as error:
            # The backend retries after any status but a 2xx. When it gives up, polling finds the event.
            log.warning("can't store a webhook until the database is back: %s", error)
            return 503
    return 204
