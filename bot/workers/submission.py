"""Start stored runs at the backend.

Starting a run is not idempotent and costs money, so each claim makes at most one call. A run is requeued only
if the backend can't have accepted it, as in an outage. If the result of the call is unknown, a webhook may
still bring the run's id. Otherwise the reconciler ends the run as unconfirmed after the grace time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar
from urllib.parse import parse_qs, urlsplit

from bot.breakers import AWAY, BUSY, BackendBreakers
from bot.context import App, Trouble
from bot.deployments.files import links_of
from bot.deployments.model import deployment_of
from bot.discord_api.calls import NoResponse, PostError
from bot.discord_api.channels import channel_state
from bot.domain.errors import (
    BackendError,
    BackendForbidden,
    BackendRateLimited,
    BackendTimeout,
    BackendUnauthorized,
    BackendUnreachable,
    BotError,
    DiscordAway,
    RefusedError,
    StoreUnavailable,
)
from bot.domain.messages import Purpose
from bot.domain.policy import check_channel
from bot.domain.requests import ChannelState
from bot.domain.runs import InputValue, Run, RunState, RunUpdate
from bot.domain.text import file_stem
from bot.store.runs import ForeignRunUpdate
from bot.worker import Later
from bot.workers.run_updates import UpdateRecorder

log = logging.getLogger(__name__)
# A user install's run is not started this close to the end of its interaction.
START_MARGIN = timedelta(minutes=3)
# The channel was checked with the request, and is checked again if the request is older than this.
CHANNEL_TRUST = timedelta(minutes=1)
# The checks take milliseconds, unless they have to ask Discord.
_CHECK_SECONDS = 60
# From this age on, a claim is confirmed before its queue call.
_CLAIM_TRUST = timedelta(seconds=1)
# How long a run waits if Discord doesn't respond to the checks before the queue call.
_DISCORD_PAUSE = timedelta(minutes=1)
_WAITS_FOR_DISCORD = "waits_for_discord"
_STORE_PAUSE = 1.0
# The machine downloads its inputs later, when a GPU is free.
_MIN_LINK_LIFETIME = timedelta(hours=1)
P = ParamSpec("P")
T = TypeVar("T")


class Submitter:
    """Starts waiting runs in a fair order, in which users take turns."""

    def __init__(self, app: App, breakers: BackendBreakers, recorder: UpdateRecorder) -> None:
        self._app = app
        self._breakers = breakers
        self._recorder = recorder
        self._grace = timedelta(seconds=app.settings.submit_grace_seconds)

    async def claim(self, room: int) -> Sequence[Run] | Later | None:
        """Claim the next runs to start. If there is none, update the queue positions.

        While the backend is away, there is none. If a machine is broken, there is none for its deployment.
        """
        now, claims = self._app.now(), self._app.store.claims
        waiting = await claims.waiting(now, now + START_MARGIN)
        if waiting.ends and await claims.refuse_too_late(now + START_MARGIN, now):
            self._app.wakeups.wake("show")
        is_away = self._breakers.service.is_open
        if waiting.due and not is_away and (claimed := await self._claim(now, min(room, waiting.due))):
            return claimed
        if (
            self._breakers.service.is_closed
            and (waiting.due or waiting.is_held)
            and await claims.update_queue_positions(now, broken=frozenset(self._breakers.broken))
        ):
            self._app.wakeups.wake("show")
        ends = waiting.next_end - START_MARGIN if waiting.next_end else None
        return Later.at(min(filter(None, (waiting.due_at, ends)), default=None), now)

    async def _claim(self, now: datetime, room: int) -> Sequence[Run]:
        claimed, reply_by, limit = list[Run](), now + self._grace, self._breakers.limit
        try:
            while len(claimed) < room:
                run = await self._app.store.claims.claim_submission(limit, now, reply_by)
                if run is None:
                    break
                claimed.append(run)
                self._breakers.calls[run.key] = (run.deployment, self._app.effects.monotonic())
        except StoreUnavailable:
            if not claimed:
                raise
        self._app.wakeups.wake("show")  # runs that were turned away say why
        return claimed

    async def submit(self, run: Run) -> None:
        """Make the queue call of a claimed run.

        First check the channel and renew the links of attached files. If that fails, the run is requeued or
        refused without a call.
        """
        is_tried = not self._breakers.service.is_closed or bool(self._breakers.broken)
        try:
            await self._submit(run)
        finally:
            self._breakers.calls.pop(run.key, None)
            if is_tried:  # the others have waited for this run
                self._app.wakeups.receive(["submit"])

    async def _submit(self, run: Run) -> None:
        try:
            inputs = await self._until_stored(self._checked, run)
        except RefusedError as error:
            await self._end(run, RunState.REFUSED, error)
            return
        except DiscordAway as error:
            log.warning("can't check the run: %s", error)
            await self._requeue(run, self._app.now() + _DISCORD_PAUSE, _WAITS_FOR_DISCORD)
            return
        # A claim that isn't fresh is confirmed first. A run that was cancelled meanwhile ends.
        now = self._app.now()
        is_fresh = run.submitted_at is not None and now - run.submitted_at < _CLAIM_TRUST
        confirm = self._app.store.claims.confirm
        if not is_fresh and not await self._until_stored(confirm, run, now + self._grace):
            log.info("made no queue call, because the run has changed since its claim")
            await self._requeue(run, now)
            return
        try:
            run_id = await self._app.backend.start_run(replace(run, inputs=inputs))
        except BackendError as error:
            await self._failed(run, error)
            return
        self._breakers.succeeded(run)
        for trouble in (Trouble.KEY, Trouble.CREDITS):
            self._app.troubles.set(trouble, False)
        log.info("queued the run as %s", run_id)
        try:
            # A webhook with the id may never arrive.
            update = RunUpdate(run_id=run_id, state=RunState.QUEUED)
            await self._until_stored(self._recorder.record, run.key, update)
        except ForeignRunUpdate as error:
            # The backend can start a run more than once; we follow the one that reported first.
            log.warning("the queue reply names another run: %s", error)

    async def _checked(self, run: Run) -> Mapping[str, InputValue]:
        """Check that a run is still offered and its channel can show it; return inputs with links that work.

        The channel of a request that is younger than CHANNEL_TRUST isn't checked again, unless the deployment
        has been marked as age-restricted since. Raises RefusedError, DiscordAway or StoreUnavailable.
        """
        offer = self._app.catalogue.offer(run)
        if offer.refusal is not None:
            raise offer.refusal
        fits = run.channel_age_restricted or not offer.is_marked
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                if not fits or self._app.now() - run.created_at >= CHANNEL_TRUST:
                    channel = await channel_state(self._app.discord.client, run)
                    channel = channel or ChannelState(age_restricted=run.channel_age_restricted)
                    check_channel(channel, restricted=run.is_restricted(offer.is_marked))
                return await renewed_inputs(self._app, run)
        except TimeoutError as error:
            raise DiscordAway("no answer in time") from error

    async def _requeue(self, run: Run, due_at: datetime, waits_for: str | None = None) -> None:
        now = self._app.now()
        await self._until_stored(self._app.store.claims.requeue, run, due_at, now, waits_for=waits_for)
        self._app.wakeups.wake("show", "submit")

    async def _until_stored(self, step: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Repeat a step after a claim until the database responds.

        Nobody else knows whether a queue call was made, and what it returned.
        """
        while True:
            try:
                return await step(*args, **kwargs)
            except StoreUnavailable as error:
                log.warning("a claimed run waits for the database: %s", error)
            await asyncio.sleep(_STORE_PAUSE)

    async def _failed(self, run: Run, error: BackendError) -> None:
        log.warning("the queue call failed: %s", error)
        blamed = await self._breakers.failed(run, error)
        if isinstance(blamed, BackendUnreachable | BackendRateLimited):
            reason = BUSY if isinstance(blamed, BackendRateLimited) else AWAY
            await self._requeue(run, self._app.now(), reason)
            return
        # After a timeout, a webhook adopts the run, or it ends as unconfirmed.
        if not isinstance(blamed, BackendTimeout):
            await self._end(run, RunState.UNCONFIRMED if blamed.accepted else RunState.REFUSED, blamed)
        self._app.wakeups.wake("submit")
        if isinstance(error, BackendForbidden):
            self._app.troubles.set(Trouble.CREDITS)
        elif isinstance(error, BackendUnauthorized) and await self._breakers.refuses_key():
            self._app.troubles.set(Trouble.KEY)
            self._app.wakeups.receive(["notice"])  # what is confirmed is told at once

    async def _end(self, run: Run, target: RunState, error: BotError) -> None:
        now, finish = self._app.now(), self._app.store.runs.finish
        await self._until_stored(finish, run.key, target, now, code=error.code, params=error.params)
        self._app.wakeups.wake("show", "submit")


async def renewed_inputs(app: App, run: Run) -> Mapping[str, InputValue]:
    """Return the run's inputs with links that work.

    Raises RefusedError if a file has to be attached again, or DiscordAway if Discord doesn't respond.
    """
    deployment = deployment_of(run, app.catalogue.all())
    # A run with a value that its deployment doesn't offer any more was refused before.
    keys = [*run.inputs]
    if deployment is not None:
        keys = [item.key for item in deployment.offered if item.takes_file and item.key in run.inputs]
    old = [url for key in keys for url in links_of(run.inputs[key])]
    soon = app.now() + _MIN_LINK_LIFETIME
    if not any(end < soon for end in map(_end_of, old) if end is not None):
        return run.inputs
    if deployment is None:
        raise RefusedError("attachment_expired", "the order of the inputs isn't known now")
    renewed_urls = iter(await _card_urls(app, run, len(old)))
    renewed = dict(run.inputs)
    for key in keys:
        value = run.inputs[key]
        urls = [next(renewed_urls) for _ in links_of(value)]
        renewed[key] = urls if isinstance(value, list) else urls[0]
    return renewed


async def _card_urls(app: App, run: Run, count: int) -> list[str]:
    """Return fresh links to the `count` attachments of a batch, from its review card.

    The numbers in the card's file names follow the order of the deployment's inputs. If the card has more
    files, the deployment has changed, and the numbers may be those of other inputs. Raises the same
    errors as `renewed_inputs`.
    """
    card = (await app.store.messages.of_request(run.request_key)).get((Purpose.REVIEW, 0))
    if card is None or not card.posted:
        raise RefusedError("attachment_expired")
    try:
        found = await app.discord.attachments(*card.refs[0])
    except NoResponse as error:
        raise DiscordAway(str(error)) from error
    except PostError as error:
        raise RefusedError("attachment_expired", str(error)) from error
    stems = {name.rpartition(".")[0]: url for name, url in found.items()}
    named = [file_stem(run.deployment, run.request_key, number) for number in range(1, count + 2)]
    urls = [stems[name] for name in named if name in stems]
    if len(urls) != count or named[-1] in stems:
        raise RefusedError("attachment_expired")
    return urls


def _end_of(url: str) -> datetime | None:
    """Return when a signed Discord link expires, or None for any other text."""
    try:
        stamp = parse_qs(urlsplit(url).query).get("ex", [""])[0]
        return datetime.fromtimestamp(int(stamp, 16), UTC)
    except (ValueError, OverflowError, OSError):
        return None
