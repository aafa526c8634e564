"""Send an outcome by the first route that works."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from bot.delivery.age_restriction import AgeRestriction, Decision
from bot.delivery.cleanup import delete_all, known_messages
from bot.delivery.first_route import first_route
from bot.delivery.media.outputs import OutputPreparer
from bot.delivery.media.time_budget import MediaBudget
from bot.delivery.posting import Poster, PostError, Refused, TooLarge, Unreachable
from bot.delivery.retries import LAST_MEDIA_TRY, LEASE, Form, Step, form_of, steps
from bot.domain.results.deliveries import COPY_PURPOSES, Delivery, MessageRef, Purpose, Route
from bot.domain.results.showing import runs_to_show
from bot.domain.runs import DIRECT_UPLOAD_LIMIT, Run
from bot.domain.transitions import is_told_elsewhere
from bot.store.deliveries import DeliveryStore
from bot.ui.fallbacks import linked_outputs, plain_messages
from bot.ui.message_parts import OutgoingMessage, PreparedOutputs, remark_messages
from bot.ui.results import origin_message, withheld_message

log = logging.getLogger(__name__)
_NONCE_LIFETIME = timedelta(minutes=2)
_WITHHELD_SUFFIX = "w"


class Superseded(Exception):
    """The message was not sent, because a run changed or another courier has the lease."""


class Router:
    """Sends outcomes by the first route that works, and other deliveries by their only route.

    Methods raise OutcomeUnknown if Discord's answer is missing, Superseded if nothing may be sent, and
    MediaError or BackendError if the outputs can't be fetched yet.
    """

    def __init__(
        self,
        *,
        deliveries: DeliveryStore,
        poster: Poster,
        age_restriction: AgeRestriction,
        preparer: OutputPreparer,
        render: Callable[[Delivery, Mapping[str, PreparedOutputs]], Awaitable[list[OutgoingMessage]]],
        budget: Callable[[Delivery], MediaBudget],
        owner: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._deliveries = deliveries
        self._poster = poster
        self._age_restriction = age_restriction
        self._preparer = preparer
        self._render = render
        self._budget = budget
        self._owner = owner
        self._clock = clock

    async def deliver(self, delivery: Delivery, folder: Path, form: Form = Form.FULL) -> tuple[Route, bool]:
        """Try the routes in order. Return the route that worked, and whether the result was withheld there.

        Returns `Route.UNDELIVERED` if none worked. A late success isn't sent if its run's result was deleted
        before the first attempt; the stored route is returned. If another outcome already reports the end of
        every run, only the first route is tried, and it is returned even if it fails. After several tries,
        the messages may be simpler than `form`.
        """
        is_deleted = delivery.purpose is Purpose.LATE and delivery.run.deleted_at is not None
        if delivery.all_sent or (is_deleted and not delivery.attempted and not delivery.messages):
            return Route(delivery.route), False
        form = max(form, form_of(delivery.tries))
        route = first_route(delivery, self._clock())
        budget = self._budget(delivery)
        decision = await self._age_restriction.decide(delivery)
        while route < Route.UNDELIVERED:
            try:
                withheld = decision.withholds(route)
                if route is Route.CHANNEL:
                    delivery = await self._match_restriction(delivery, form, decision)
                if withheld:
                    await self._post_note(route, delivery, form)
                else:
                    await self._post_fitting(route, delivery, folder, form, budget)
            except (Unreachable, TooLarge) as error:
                log.info("route %s failed: %s", route.name.lower(), error)
                delivery = await self.forget_attempt(delivery)
                if all(is_told_elsewhere(run) for run in delivery.batch):
                    return route, False
                route = Route(route + 1)
            else:
                return route, withheld
        return Route.UNDELIVERED, False

    async def post_copy(self, delivery: Delivery, folder: Path, form: Form) -> None:
        """Post a copy of a result to its destination. Raises Unreachable, or the errors of `prepare_copy`."""
        await self._post_fitting(Route.CHANNEL, delivery, folder, form, self._budget(delivery))

    async def post(
        self,
        delivery: Delivery,
        route: Route,
        channel_id: int,
        messages: Sequence[OutgoingMessage],
        *,
        nonce_suffix: str = "",
    ) -> None:
        """Post the messages that aren't sent yet. Store each attempt before, and its message's id after.

        If the result of an earlier attempt is unknown, search the channel for its message first.
        For a few minutes, Discord answers a repeated nonce with the earlier message. `nonce_suffix` and the
        number of replaced messages therefore distinguish messages of the same purpose.
        """
        # Two digits at most, because Discord takes 25 characters.
        repetition = f"e{len(delivery.earlier) % 100}" if delivery.earlier else ""
        sent = list(delivery.messages)
        for index in range(len(sent), len(messages)):
            message = messages[index]
            found = None
            if delivery.attempted and index == len(delivery.messages) and delivery.attempted_at:
                found = await self._find(delivery, channel_id, message, delivery.attempted_at)
                if found is None and delivery.abandoned:
                    raise Unreachable("Discord never answers this post")
            if found is None:
                await self._mark_attempt(delivery, route)
                nonce = f"{delivery.run.key}-{delivery.purpose}{int(route)}{index}{nonce_suffix}{repetition}"
                found = await self._poster.post(channel_id, message, nonce)
            sent.append(MessageRef(channel_id, found))
            last = index == len(messages) - 1 and nonce_suffix != _WITHHELD_SUFFIX
            await self._mark_sent(delivery, sent, last=last)

    async def forget_attempt(self, delivery: Delivery) -> Delivery:
        """Clear the mark of an attempt that Discord refused; messages sent before it stay."""
        sent = await self._deliveries.clear_attempt(delivery)
        if sent is None:
            raise Superseded
        return replace(delivery, attempted=False, messages=sent)

    async def withdraw(self, delivery: Delivery, lost: Sequence[MessageRef] = ()) -> Delivery:
        """Store the messages of a delivery, and those that an attempt has `lost`, as earlier ones.

        They are to be deleted, and none is forgotten after a crash.
        """
        withdrawn = await self._deliveries.withdraw(delivery, lost)
        if withdrawn is None:
            raise Superseded
        return replace(delivery, messages=(), earlier=withdrawn, attempted=False, attempted_at=None)

    async def _match_restriction(self, delivery: Delivery, form: Form, decision: Decision) -> Delivery:
        """Delete messages that don't fit the channel's age restriction; return the delivery without them.

        A deployment's mark may have been removed since a note was posted. Among sentences without buttons, a
        note can't be told from the result, so these stay.
        """
        if not decision.restricted and form is Form.WORDS:
            return delivery
        *_, note = _withheld(delivery, Route.CHANNEL, form)
        withheld = decision.withholds(Route.CHANNEL)
        unfit = await self._age_restriction.unfit_messages(delivery, note, withheld=withheld)
        if unfit:
            delivery = await self.withdraw(delivery)
            await delete_all(self._poster, unfit)
        return delivery

    async def _post_note(self, route: Route, delivery: Delivery, form: Form) -> None:
        """Post the note that the result is withheld, unless it was posted before the process died.

        If the channel already has a part of the result, the note is still sent as a direct message.
        """
        in_channel = {message.channel_id == delivery.destination for message in delivery.messages}
        if (route is Route.CHANNEL) not in in_channel:
            messages = _withheld(delivery, route, form)
            await self._post_by(route, delivery, messages, nonce_suffix=_WITHHELD_SUFFIX)

    async def _post_fitting(
        self, route: Route, delivery: Delivery, folder: Path, form: Form, budget: MediaBudget
    ) -> None:
        """Post by one route. Raises Unreachable if Discord refuses the message in every form.

        If the files are too large, smaller ones or links are posted. If Discord rejects the message itself, a
        simpler form is posted.
        """
        limit = delivery.run.upload_limit if route is not Route.DIRECT_MESSAGE else DIRECT_UPLOAD_LIMIT
        already_sent, simplest = len(delivery.messages), int(form)
        for step in steps(limit):
            if step.form < simplest:
                continue
            try:
                # With another limit, the messages would no longer match those already sent.
                way = step if len(delivery.messages) == already_sent else Step(Form.LINKS)
                return await self._post_by(
                    route, delivery, await self._messages(delivery, way, folder, budget)
                )
            except (TooLarge, Refused) as error:
                log.info("route %s refused the message: %s", route.name.lower(), error)
                simplest = step.form + isinstance(error, Refused)
                delivery = await self.forget_attempt(delivery)
        raise Unreachable("refused in every form")

    async def _messages(
        self, delivery: Delivery, step: Step, folder: Path, budget: MediaBudget
    ) -> Sequence[OutgoingMessage]:
        shown = runs_to_show(delivery)
        if step.form is not Form.FULL:
            return await self._simplified(delivery, step.form, shown)
        prepare: Callable[..., Awaitable[PreparedOutputs]] = self._preparer.prepare_copy
        if delivery.purpose not in COPY_PURPOSES:
            prepare = partial(self._preparer.prepare, last_try=delivery.tries >= LAST_MEDIA_TRY)
        prepared = {run.key: await prepare(run, step.limit, folder, budget=budget) for run in shown}
        return await self._render(delivery, prepared)

    async def _simplified(self, delivery: Delivery, form: Form, shown: list[Run]) -> list[OutgoingMessage]:
        """Return an outcome's messages with links in place of the files, or only a sentence with the links.

        `form` chooses between the two. If messages were already sent, return placeholders for them, then
        messages with the links.
        """
        linked = {run.key: linked_outputs(run, self._preparer.may_link) for run in shown}
        if delivery.messages:
            remarks = [remark for each in linked.values() for remark in each.remarks]
            return [*_placeholders(delivery), *remark_messages(remarks)]
        if form is Form.LINKS:
            return await self._render(delivery, linked)
        return plain_messages(delivery.batch, shown, self._preparer.may_link)

    async def _post_by(
        self, route: Route, delivery: Delivery, messages: Sequence[OutgoingMessage], *, nonce_suffix: str = ""
    ) -> None:
        run = delivery.run
        if delivery.purpose in COPY_PURPOSES:  # the requester has just asked for the copy, so no ping
            messages = [replace(message, mention=None) for message in messages]
        if route is Route.CHANNEL:
            await self.post(delivery, route, delivery.destination, messages, nonce_suffix=nonce_suffix)
        elif route is Route.DIRECT_MESSAGE:
            await self._post_privately(delivery, messages, nonce_suffix)
        elif delivery.is_late_in_batch:
            raise Unreachable("the answer shows the whole batch")
        elif run.needs_interaction:
            await self._post_by_interaction(delivery, route, messages, last=not nonce_suffix)
        else:
            await self._edit_answer(delivery, route, messages, last=not nonce_suffix)

    async def _post_privately(
        self, delivery: Delivery, messages: Sequence[OutgoingMessage], nonce_suffix: str
    ) -> None:
        """Post in the requester's direct messages, then say where the request was made.

        The delivery is complete without this last message, which is tried only once.
        """
        route, run = Route.DIRECT_MESSAGE, delivery.run
        channel_id = await self._poster.direct_channel(run.requester_id)
        await self.post(delivery, route, channel_id, messages, nonce_suffix=nonce_suffix)
        if nonce_suffix:
            return
        try:
            nonce = f"{run.key}-{delivery.purpose}{int(route)}o"
            origin = await self._poster.post(channel_id, origin_message(run), nonce)
        except PostError as error:
            log.info("posted no link to the request's channel: %s", error)
            return
        sent = await self._deliveries.sent(run.key, delivery.purpose)
        await self._mark_sent(delivery, [*sent.messages, MessageRef(channel_id, origin)], last=True)

    async def _find(
        self, delivery: Delivery, channel_id: int, message: OutgoingMessage, since: datetime
    ) -> int | None:
        """Return the id of a message posted by an attempt with an unknown result, or None.

        Ignores the run's messages that the store already knows.
        """
        run = delivery.run
        ignore = await known_messages(self._deliveries, (run.key, run.request_key))
        try:
            return await self._poster.find(channel_id, run.key, message, since, ignore=ignore)
        except Unreachable:
            if self._clock() - since > _NONCE_LIFETIME:
                raise
            # The history is no longer readable, but this early the nonce still prevents a second post.
            return None

    async def _edit_answer(
        self, delivery: Delivery, route: Route, messages: Sequence[OutgoingMessage], *, last: bool
    ) -> None:
        """Turn the command's answer into the outcome by editing it. A repeated edit changes nothing."""
        run = delivery.run
        token = run.interaction_token_at(self._clock())
        if delivery.messages and delivery.route == route:
            return  # edited and marked; only the cleanup is left
        if delivery.messages:
            raise Unreachable("a part of it was sent by another route")
        if len(messages) > 1 or messages[0].layout is None:
            raise Unreachable("the answer is one layout, and can't become several or a classic message")
        if delivery.abandoned and delivery.attempted:
            raise Unreachable("Discord never answers this edit")
        await self._mark_attempt(delivery, route)
        if token is not None:
            message_id = await self._poster.edit_original(
                run.application_id, token, run.status_message_id, messages[0]
            )
        elif route is Route.IN_PLACE and run.status_message_id is not None:
            message_id = run.status_message_id
            await self._poster.edit(run.channel_id, message_id, messages[0])
        else:
            raise Unreachable("the interaction's token has expired")
        await self._mark_sent(delivery, [MessageRef(run.channel_id, message_id)], last=last)

    async def _post_by_interaction(
        self, delivery: Delivery, route: Route, messages: Sequence[OutgoingMessage], *, last: bool
    ) -> None:
        """Edit the interaction's answer, and send the other messages after it.

        This is the route where only interactions can post. If it isn't known whether a message was sent, it
        is sent again, because posting pictures twice is better than not posting them.
        """
        run = delivery.run
        if delivery.messages and not last:
            return  # the answer already says that the result is withheld
        token = run.interaction_token_at(self._clock())
        if token is None:
            raise Unreachable("the interaction's token has expired")
        sent = list(delivery.messages)
        for index in range(len(sent), len(messages)):
            await self._mark_attempt(delivery, route)
            if index:
                message_id = await self._poster.send_in_interaction(
                    run.application_id, token, messages[index], ephemeral=run.private
                )
            else:
                message_id = await self._poster.edit_original(
                    run.application_id, token, run.status_message_id, messages[0]
                )
            sent.append(MessageRef(run.channel_id, message_id))
            await self._mark_sent(delivery, sent, last=last and index == len(messages) - 1)

    async def _mark_sent(self, delivery: Delivery, sent: Sequence[MessageRef], *, last: bool) -> None:
        if not await self._deliveries.mark_sent(delivery, sent, self._clock() if last else None):
            raise Superseded

    async def _mark_attempt(self, delivery: Delivery, route: Route) -> None:
        marked = await self._deliveries.mark_attempt(delivery, self._owner, self._clock(), LEASE, int(route))
        if not marked:
            raise Superseded


def _placeholders(delivery: Delivery) -> list[OutgoingMessage]:
    return [OutgoingMessage()] * len(delivery.messages)


def _withheld(delivery: Delivery, route: Route, form: Form) -> list[OutgoingMessage]:
    """Return placeholders for the messages already sent, then the note that the result is withheld."""
    if form is Form.WORDS:
        return [*_placeholders(delivery), *plain_messages(delivery.batch, [delivery.run], None)]
    message = withheld_message(delivery.run, postable=route is not Route.DIRECT_MESSAGE)
    return [*_placeholders(delivery), message]
