"""Follow runs: record the backend's updates, poll silent runs, cancel runs, and end them at their deadlines.

Updates come by webhook or by polling. A webhook is authenticated, and what it says is stored before it is
answered, except progress: that a run has started, and how far it is. Progress is buffered in memory and
written at most once a second, for all runs in one transaction. If the process dies, it is lost, and the next
update brings it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.breakers import BackendBreakers
from bot.config.logs import run_context
from bot.context import LONGEST_SLEEP, App
from bot.domain.errors import (
    BackendBadReply,
    BackendError,
    BackendNotCancellable,
    BackendTimeout,
    RunGone,
    StoreUnavailable,
)
from bot.domain.run_timing import (
    CANCEL_DOUBT,
    CANCEL_TRIES,
    LATE_CHECKS,
    QUIET_INTERVALS,
    SETTLE_CHECKS,
    deadline_of,
    is_silent_at_end,
    next_settling,
)
from bot.domain.runs import FINAL, IN_FLIGHT, Run, RunState, RunUpdate
from bot.domain.text.run_log import end_of_log
from bot.domain.transitions import (
    BACKEND_ENDS,
    DEADLINE,
    DEADLINE_RUNNING,
    DEADLINE_UNREADABLE,
    is_progress,
    was_given_up,
)
from bot.store.runs import ForeignRunUpdate
from bot.worker import TAKEN, Later

log = logging.getLogger(__name__)
_KNOWN_RUNS = 10_000
# A backend waits longer than this for its answer. A caller that needs this long to send 1 MiB isn't the
# backend.
BODY_SECONDS = 10.0
# After a restart or an outage with a thousand runs, at most ten a second are checked, to spare the backend
# and Discord, where the results are posted.
_CHUNK_SIZE = 10
_CHECK_PAUSE = 0.1


class UpdateRecorder:
    """Records updates from webhooks and polling. A run without an update for a quiet period is polled."""

    def __init__(self, app: App) -> None:
        self._app = app
        intervals = QUIET_INTERVALS if app.settings.public_url is not None else 1
        self._quiet_period = timedelta(seconds=app.settings.poll_interval_seconds) * intervals
        # The state of each run, as last reported.
        self._known: OrderedDict[str, RunState] = OrderedDict()
        # Buffered progress, and since when there is some: a run that has started did so then.
        self._progress: dict[str, tuple[RunUpdate, datetime]] = {}

    def buffer(self, key: str, update: RunUpdate) -> bool:
        """Take an update that tells only progress, or nothing new; return False for any other."""
        state = self._known.get(key)
        if state is None:
            return False
        if state is RunState.SUCCEEDED:
            return True  # nothing that a webhook says changes a success
        # Outputs aren't progress, and after its last node the run is polled soon.
        has_ended = update.outputs or (update.progress is not None and update.progress >= 1)
        if has_ended or update.state is None or not is_progress(state, update.state):
            return False
        _, since = self._progress.get(key, (update, self._app.now()))
        self._progress[key], self._known[key] = (update, since), update.state
        self._app.wakeups.receive(["progress"])
        return True

    async def record(self, key: str, update: RunUpdate, *, asked: bool = False) -> None:
        """Record an update, once or several times. Raises RunGone, ForeignRunUpdate or StoreUnavailable.

        `asked` means that it is a reply to GET /run, and therefore complete.
        """
        now = self._app.now()
        poll_at = now + self._quiet_period
        change = await self._app.store.runs.record_update(key, update, now, poll_at, asked=asked)
        if change is None:
            return
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
        due_at = change.values.get("due_at")
        if isinstance(due_at, datetime) and due_at - now < LONGEST_SLEEP:
            self._app.wakeups.wake("check")

    async def claim_progress(self, _room: int) -> Sequence[Mapping[str, tuple[RunUpdate, datetime]]]:
        """Return the updates buffered since the last call, by run key."""
        updates, self._progress = self._progress, {}
        return [updates] if updates else []

    async def save_progress(self, updates: Mapping[str, tuple[RunUpdate, datetime]]) -> None:
        """Store the updates that `claim_progress` returned."""
        await self._app.store.runs.save_progress(updates, self._app.now() + self._quiet_period)
        self._app.wakeups.wake("show")


def add_webhooks(server: web.Application, app: App, recorder: UpdateRecorder) -> None:
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


async def _take(app: App, recorder: UpdateRecorder, request: web.Request) -> int:
    """Record a webhook, and return the status that answers it."""
    key = request.match_info["key"]
    if not app.backend.is_webhook_authentic(key, request.match_info["mac"]):
        return 403
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
        update = app.backend.read_webhook(body)
    except web.HTTPRequestEntityTooLarge:
        return 413
    except (OSError, web.RequestPayloadError, HttpProcessingError):  # too slow, cut off, or broken chunks
        return 400
    except BackendBadReply as error:
        log.warning("can't read a webhook: %s", error, extra={"run": key})
        return 400
    # Most webhooks, several a second of each run.
    if recorder.buffer(key, update):
        return 204
    with run_context(key):
        try:
            await recorder.record(key, update)
        except RunGone:
            log.warning("received a webhook for a run that the store doesn't know")
            return 404
        except ForeignRunUpdate as error:
            log.warning("received a webhook for another run: %s", error)
            return 409
        except StoreUnavailable as error:
            # The backend retries after any status but a 2xx. When it gives up, polling finds the event.
            log.warning("can't store a webhook until the database is back: %s", error)
            return 503
    return 204


class Reconciler:
    """Polls silent runs, cancels runs, times them out, and ends requests that nobody approved in time.

    When the process starts, all runs in flight are due. While the backend is away, no run is checked.
    The pause between checks of a run starts at the poll interval, and doubles with each check that finds
    nothing new, up to a limit.
    """

    def __init__(self, app: App, breakers: BackendBreakers, recorder: UpdateRecorder) -> None:
        self._app = app
        self._breakers = breakers
        self._recorder = recorder
        self._interval = timedelta(seconds=app.settings.poll_interval_seconds)
        self._grace = timedelta(seconds=app.settings.submit_grace_seconds)
        self._paused_until = 0.0
        self._started_at: datetime | None = app.now()

    async def claim(self, room: int) -> Sequence[Run] | Later | None:
        """Claim runs that are due to be checked."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._paused_until - loop.time()))
        now, claims, away = self._app.now(), self._app.store.claims, self._breakers.service.is_open
        if self._started_at is not None:
            await claims.make_checks_due(self._started_at)
            self._started_at = None
        due_at = await claims.next_check(now + LONGEST_SLEEP, away=away)
        if due_at is None or due_at > now:
            return Later.at(due_at, now)
        most = min(room, _CHUNK_SIZE)
        found = await claims.claim_checks(now, self._interval, most, away=away)
        if len(found) == most:
            self._paused_until = loop.time() + most * _CHECK_PAUSE
        return found or TAKEN

    async def check(self, run: Run) -> None:
        """Poll, cancel, time out or expire a claimed run, depending on its state."""
        try:
            if run.state is RunState.AWAITING_APPROVAL:
                await self._finish(run, RunState.EXPIRED, "expired")
            elif run.run_id is None:
                await self._check_unconfirmed(run)
            elif run.cancel_requested_at is not None and not run.final:
                await self._cancel(run, run.run_id)
            else:
                await self._ask(run, run.run_id)
        except BackendError as error:
            log.debug("the run is due again when the backend answers: %s", error)

    async def _check_unconfirmed(self, run: Run) -> None:
        """End a run as unconfirmed if it still has no id at the end of the grace time.

        A run whose submitter still waits for ComfyDeploy or for the database is left to it, and no run is
        given up during an outage.
        """
        is_early = run.submitted_at is not None and self._app.now() < run.submitted_at + self._grace
        if is_early or run.key in self._breakers.calls or self._breakers.service.is_open:
            return
        await self._finish(run, RunState.UNCONFIRMED, BackendTimeout.code)

    async def _ask(self, run: Run, run_id: str) -> None:
        """Poll a run in flight, or an ended one for its log, its billed duration and late outputs.

        If ComfyDeploy doesn't report the end, the polling stops after SETTLE_CHECKS such checks or, of a run
        that the bot gave up on, after LATE_CHECKS.
        """
        update = await self._update_of(run, run_id)
        if update is not None and update.state in FINAL:
            await self._record_end(run, update)
        elif run.final and not was_given_up(run):
            if run.checks >= SETTLE_CHECKS:
                await self._app.store.runs.stop_checking(run)
                self._app.metrics.settled(run, gpu=None, seconds=None)
        elif update is not None and is_silent_at_end(run, update, self._app.now()):
            await self._end_finished(run, update)
        elif update is None and (told := BACKEND_ENDS.get(run.failure_code)) is not None:
            await self._finish(run, told, f"run_{told}")
        elif self._is_overdue(run):
            await self._end_overdue(run, run_id, update)
        elif run.final and self._app.now() >= (run.ended_at or run.created_at) + LATE_CHECKS:
            await self._app.store.runs.stop_checking(run)
        elif update is not None:
            await self._recorder.record(run.key, update, asked=True)
            if run.failure_code == DEADLINE_RUNNING and run.checks < CANCEL_TRIES:
                await self._try_cancel(run_id)

    def _is_overdue(self, run: Run) -> bool:
        deadline = deadline_of(run)
        return deadline is not None and self._app.now() >= deadline and not run.final

    async def _end_finished(self, run: Run, update: RunUpdate) -> None:
        """Record a success for a run that has made everything but hasn't reported its end, and stop it."""
        log.info("counted the run as finished, although ComfyDeploy has not reported its end")
        # Not `asked`, so that its billed duration is fetched once it has been stopped.
        await self._recorder.record(run.key, update._replace(state=RunState.SUCCEEDED))
        await self._try_cancel(update.run_id)  # not earlier, or the run would be recorded as cancelled

    async def _end_overdue(self, run: Run, run_id: str, update: RunUpdate | None) -> None:
        """End a run at its deadline. It counts as a success if it has made everything.

        Otherwise it is cancelled. The reason is stored before the cancel call, because the webhook about the
        cancellation may be recorded before the call is answered.
        """
        if update is not None:
            if update.made_everything:
                await self._end_finished(run, update)
                return
            await self._recorder.record(run.key, update, asked=True)
        await self._app.store.runs.note_deadline(run.key, DEADLINE)
        stopped = await self._try_cancel(run_id)
        code, ended = DEADLINE if stopped else DEADLINE_RUNNING, None
        try:
            ended = await self._app.backend.get_run(run_id) if stopped else None
        except BackendError as error:
            log.warning("can't get the run's state: %s", error)
            code = DEADLINE_UNREADABLE if isinstance(error, BackendBadReply) else code
        if ended is not None and ended.state in FINAL:
            await self._record_end(run, ended)
        else:
            await self._finish(run, RunState.TIMED_OUT, code)

    async def _cancel(self, run: Run, run_id: str) -> None:
        """Cancel a run, then fetch its state, since the call also succeeds for a run that has ended."""
        stopped = await self._try_cancel(run_id)
        update = await self._update_of(run, run_id)
        asked_at, now = run.cancel_requested_at, self._app.now()
        in_doubt = update is None and asked_at is not None and now < asked_at + CANCEL_DOUBT
        if update is not None and update.state in FINAL:
            await self._record_end(run, update)
        elif stopped and not in_doubt:
            if update is not None:
                await self._recorder.record(run.key, update, asked=True)
            await self._finish(run, RunState.CANCELLED, run.cancel_code)
        elif stopped is False:
            await self._app.store.runs.refuse_cancel(run)
            self._app.wakeups.wake("show")
        elif self._is_overdue(run):
            await self._end_overdue(run, run_id, update)

    async def _try_cancel(self, run_id: str) -> bool | None:
        """Ask the backend to cancel a run, and return whether it accepted the call.

        False means that the run can't be cancelled at all, None that the call failed and a retry may succeed.
        """
        try:
            await self._app.backend.cancel_run(run_id)
        except BackendNotCancellable as error:
            log.info("this machine can't stop a run: %s", error)
            return False
        except BackendError as error:
            log.warning("the cancel call failed: %s", error)
            return None
        return True

    async def _update_of(self, run: Run, run_id: str) -> RunUpdate | None:
        """Return the backend's update, or None if the backend responds, but not about this run.

        Raises its error if the backend is away, because the bot gives up no run during an outage.
        """
        # If other calls are answered, perhaps because an outage has just ended, it is asked once more.
        for is_last in (False, True):
            try:
                return await self._app.backend.get_run(run_id)
            except BackendError as error:
                log.warning("can't get the run's state: %s", error)
                if is_last or not error.passing:
                    break
                if await self._breakers.is_away():
                    raise
        return None

    async def _record_end(self, run: Run, update: RunUpdate) -> None:
        """Record the end of a run. If only the log can tell why it failed, and hasn't been read, read it."""
        # ComfyDeploy also reports a run as failed if it had succeeded before its queue call failed.
        unexplained = run.failure_code == "run_failed" or (run.failure_code is None and not run.final)
        read = run.failure_log is not None or run.erased_at is not None
        wanted = update.state is RunState.FAILED and unexplained and not read
        if wanted and self._app.settings.run_logs:
            entries: Sequence[str] = ()
            try:
                entries = await self._app.backend.read_log(update.run_id)
            except BackendError as error:
                log.info("can't read the run's log: %s", error)
            loop = asyncio.get_running_loop()
            end = await loop.run_in_executor(self._app.files, end_of_log, entries)
            update = update._replace(log=end or "")  # empty if the log isn't archived yet
        await self._recorder.record(run.key, update, asked=True)
        if next_settling(run, update, self._app.now()) is None:
            self._app.metrics.settled(run, gpu=update.gpu, seconds=update.run_duration)

    async def _finish(self, run: Run, target: RunState, code: str) -> None:
        if await self._app.store.runs.finish(run.key, target, self._app.now(), code=code):
            log.info("ended the run as %s (%s)", target.value, code)
            self._app.wakeups.wake("show", "submit")
