"""The ladder: the ways to show an outcome, from the channel down to being kept.

The attempt is marked before a post and the sending after it, so an attempt of unknown outcome is looked up
in the channel before it is repeated. The rungs: the channel by the bot's token, the command's own answer
while its interaction lives (an edit: idempotent, so it can't double), a direct message, kept for later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import IntEnum
from pathlib import Path

from bot.delivery.posting import Poster, TooLarge, Unreachable
from bot.delivery.uploads import OutputPreparer
from bot.domain.runs import Delivery, Purpose, Run, RunState, token_of
from bot.domain.text import channel_url
from bot.store.deliveries import DeliveryStore
from bot.strings import say
from bot.ui.components import OutgoingMessage, PreparedOutputs, note_parts
from bot.ui.results import withheld_message

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
MEDIA_TRIES = 5
_WATCHED = timedelta(minutes=2)
_NONCE_LIFE = timedelta(minutes=2)
_DIRECT_LIMIT = 10 * 1024 * 1024
_WITHHELD = "w"


class Route(IntEnum):
    """The ladder, top to bottom. IN_PLACE is for ends that the requester is watching."""

    IN_PLACE = 0
    CHANNEL = 1
    INTERACTION = 2
    DIRECT_MESSAGE = 3
    UNDELIVERED = 4


def _are_watched(delivery: Delivery, now: datetime) -> bool:
    return all(_is_watched(run, now) for run in delivery.batch)


def _is_watched(run: Run, now: datetime) -> bool:
    """The requester pressed Cancel, or sent the command just now: an edit is seen and needs no ping."""
    if run.state is RunState.REFUSED:
        return now - run.created_at < _WATCHED
    return run.state is RunState.CANCELLED and run.failure_code == "cancelled_by_requester"


def _first_rung(delivery: Delivery, now: datetime) -> Route:
    """What was begun goes on where it began, also when nobody watches any more."""
    if delivery.attempted or delivery.messages:
        return Route(delivery.route)
    if delivery.run.user_install:
        return max(Route(delivery.route), Route.INTERACTION)
    return max(Route(delivery.route), Route.IN_PLACE if _are_watched(delivery, now) else Route.CHANNEL)


def _to_be_shown(delivery: Delivery) -> list[Run]:
    """Return the runs whose outputs are posted.

    A single result is posted to its end even if it was deleted meanwhile: only then are all of its messages
    known, and its removal finds them.
    """
    return [
        run
        for run in delivery.batch
        if run.state is RunState.SUCCEEDED
        and run.key not in delivery.late
        and (run.deleted_at is None or len(delivery.batch) == 1)
    ]


def _elsewhere(run: Run) -> OutgoingMessage:
    """Why it comes directly."""
    if run.user_install:
        return OutgoingMessage(content=say("from_elsewhere_late"))
    return OutgoingMessage(content=say("from_elsewhere", url=channel_url(run.guild_id, run.channel_id)))


def _withheld(delivery: Delivery, route: Route) -> list[OutgoingMessage]:
    """After what is there already, a message without the result."""
    return [OutgoingMessage()] * len(delivery.messages) + [
        withheld_message(delivery.run, postable=route is not Route.DIRECT_MESSAGE)
    ]


class Superseded(Exception):
    """The run changed, or another courier has the lease: nothing was sent."""


class Router:
    """Raises Unclear where it can't be known what Discord did, Superseded where nothing may be sent."""

    def __init__(
        self,
        *,
        deliveries: DeliveryStore,
        poster: Poster,
        packer: OutputPreparer,
        render: Callable[[Delivery, Mapping[str, PreparedOutputs]], list[OutgoingMessage]],
        owner: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._deliveries = deliveries
        self._poster = poster
        self._packer = packer
        self._render = render
        self._owner = owner
        self._clock = clock

    async def deliver(self, delivery: Delivery, folder: Path) -> tuple[Route, bool]:
        """Down until a rung holds; returns which, KEPT: none did; and whether it only told of a result that
        may not be shown there."""
        route = _first_rung(delivery, self._clock())
        while route < Route.UNDELIVERED:
            try:
                withheld = await self._is_withheld(route, delivery)
                if withheld:
                    await self._by(route, delivery, _withheld(delivery, route), mark=_WITHHELD)
                else:
                    await self._fitting(route, delivery, folder)
            except (Unreachable, TooLarge) as error:
                log.info("%s is closed: %s", route.name.lower(), error)
                delivery = await self._nothing_left(delivery)
                route = Route(route + 1)
            else:
                return route, withheld
        return Route.UNDELIVERED, False

    async def _is_withheld(self, route: Route, delivery: Delivery) -> bool:
        """An age-restricted result goes only where Discord marks it so now, not when it was asked for.

        Where only the interaction reaches, nobody can look: there the mark it came with holds.
        """
        run = delivery.run
        if not run.age_restricted or not _to_be_shown(delivery):
            return False
        if route is Route.DIRECT_MESSAGE:
            return True
        if run.user_install:
            return False
        try:
            return not await self._poster.is_age_restricted(run.channel_id)
        except Unreachable:
            return True

    async def _fitting(self, route: Route, delivery: Delivery, folder: Path) -> None:
        """One rung, with ever smaller files while Discord finds them too large."""
        limit = delivery.run.upload_limit if route is not Route.DIRECT_MESSAGE else _DIRECT_LIMIT
        already_sent = len(delivery.messages)
        for smaller in (limit, min(limit, _DIRECT_LIMIT), 0):
            try:
                if len(delivery.messages) > already_sent:
                    # Packed smaller, the parts would no longer be those of which some are there already.
                    return await self._by(route, delivery, await self._links(delivery, folder))
                return await self._by(route, delivery, await self._parts(delivery, smaller, folder))
            except TooLarge as error:
                log.info("too large for this place: %s", error)
                delivery = await self._nothing_left(delivery)
        raise Unreachable("too large, even without files")

    async def _parts(self, delivery: Delivery, limit: int, folder: Path) -> Sequence[OutgoingMessage]:
        last_try = delivery.tries >= MEDIA_TRIES
        prepared = {
            run.key: await self._packer.pack(run, limit, folder, last_try=last_try)
            for run in _to_be_shown(delivery)
        }
        return self._render(delivery, prepared)

    async def _links(self, delivery: Delivery, folder: Path) -> Sequence[OutgoingMessage]:
        """What is there, and after it a link to everything."""
        notes: list[str] = []
        for run in _to_be_shown(delivery):
            notes += (await self._packer.pack(run, 0, folder, last_try=True)).notes
        return [OutgoingMessage()] * len(delivery.messages) + list(note_parts(notes))

    async def _by(
        self, route: Route, delivery: Delivery, parts: Sequence[OutgoingMessage], *, mark: str = ""
    ) -> None:
        run = delivery.run
        if route is Route.CHANNEL:
            await self.post(delivery, route, run.channel_id, parts, mark=mark)
        elif route is Route.DIRECT_MESSAGE:
            channel_id = await self._poster.direct_channel(run.requester_id)
            told = [] if mark else [_elsewhere(run)]
            await self.post(delivery, route, channel_id, [*parts, *told], mark=mark)
        elif delivery.is_late_in_batch:
            raise Unreachable("the answer tells of all of them")
        elif run.user_install:
            await self._answer(delivery, route, parts)
        else:
            await self._edit_answer(delivery, route, parts)

    async def post(
        self,
        delivery: Delivery,
        route: Route,
        channel_id: int,
        parts: Sequence[OutgoingMessage],
        *,
        mark: str = "",
    ) -> None:
        """The parts that are not there yet, each marked before and after.

        `mark` sets them apart from others of the same purpose: a nonce of the last minutes brings back the
        message that it came with.
        """
        sent = list(delivery.messages)
        for index in range(len(sent), len(parts)):
            part = parts[index]
            found = None
            if delivery.attempted and index == len(delivery.messages) and delivery.attempted_at:
                found = await self._find(delivery, channel_id, part, delivery.attempted_at)
            if found is None:
                await self._mark_attempt(delivery, route)
                nonce = f"{delivery.run.key}-{delivery.purpose}{int(route)}{index}{mark}"
                found = await self._poster.post(channel_id, part, nonce)
            sent.append((channel_id, found))
            await self._deliveries.mark_sent(delivery.id, sent)

    async def _find(
        self, delivery: Delivery, channel_id: int, part: OutgoingMessage, since: datetime
    ) -> int | None:
        """A part posted by an attempt of unknown end; neither a part before it is it, nor an earlier verdict
        on the run, nor what came of it the first time."""
        others = (await self._deliveries.told(delivery.run.key, delivery.purpose)).everywhere
        if delivery.purpose is Purpose.LATE:
            others += (await self._deliveries.told(delivery.run.key, Purpose.OUTCOME)).everywhere
        ignore = [message_id for _, message_id in others]
        try:
            return await self._poster.find(channel_id, delivery.run.key, part, since, ignore=ignore)
        except Unreachable:
            if self._clock() - since > _NONCE_LIFE:
                raise
            # The history can't be read any more, but so soon the nonce alone prevents a second post.
            return None

    async def _edit_answer(self, delivery: Delivery, route: Route, parts: Sequence[OutgoingMessage]) -> None:
        """The answer to the command becomes the outcome; an edit twice is the same as once."""
        run = delivery.run
        token = token_of(run, self._clock())
        if delivery.messages and delivery.route == route:
            return  # edited and marked; only the tidying is left
        if delivery.messages:
            raise Unreachable("a part of it is elsewhere already")
        if len(parts) > 1:
            raise Unreachable("it takes more than one message, and this is one")
        await self._mark_attempt(delivery, route)
        if token is not None:
            message_id = await self._poster.edit_original(
                run.application_id, token, run.status_message_id, parts[0]
            )
        elif route is Route.IN_PLACE and run.status_message_id is not None:
            message_id = run.status_message_id
            await self._poster.edit(run.channel_id, message_id, parts[0])
        else:
            raise Unreachable("the interaction's token has run out")
        await self._deliveries.mark_sent(delivery.id, [(run.channel_id, message_id)])

    async def _answer(self, delivery: Delivery, route: Route, parts: Sequence[OutgoingMessage]) -> None:
        """Where only the interaction reaches: the answer becomes the outcome, follow-ups take what is left.

        A follow-up whose fate is unknown is sent again: twice the same pictures are better than none.
        """
        run = delivery.run
        token = token_of(run, self._clock())
        if token is None:
            raise Unreachable("the interaction's token has run out")
        sent = list(delivery.messages)
        for index in range(len(sent), len(parts)):
            await self._mark_attempt(delivery, route)
            if index:
                message_id = await self._poster.follow_up(run.application_id, token, parts[index])
            else:
                message_id = await self._poster.edit_original(
                    run.application_id, token, run.status_message_id, parts[0]
                )
            sent.append((run.channel_id, message_id))
            await self._deliveries.mark_sent(delivery.id, sent)

    async def _nothing_left(self, delivery: Delivery) -> Delivery:
        """After a refusal: the attempt is off the books, what was sent before it stays on them."""
        sent = await self._deliveries.clear_attempt(delivery.id)
        return replace(delivery, attempted=False, messages=sent)

    async def _mark_attempt(self, delivery: Delivery, route: Route) -> None:
        marked = await self._deliveries.mark_attempt(delivery, self._owner, self._clock(), LEASE, int(route))
        if not marked:
            raise Superseded
