"""Build the workers that post and update messages."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from bot.delivery.age_restriction import AgeRestriction
from bot.delivery.cards_and_notices import NoticeBuilder
from bot.delivery.cleanup import ResultRemoval
from bot.delivery.copies import share_copy
from bot.delivery.courier import Courier
from bot.delivery.estimator import Estimator
from bot.delivery.media.time_budget import MediaBudget
from bot.delivery.pace.places import WIDTH, Places
from bot.delivery.posting import Poster
from bot.delivery.routes import Router
from bot.delivery.status import FINISHING_AFTER, StatusUpdater
from bot.deployments.input_text import ShownInputs, displayed_inputs
from bot.domain.results.deliveries import Delivery, Purpose
from bot.domain.runs import Run
from bot.ui.message_parts import OutgoingMessage, PreparedOutputs
from bot.ui.result_buttons import offered_actions
from bot.ui.results import Batch, outcome_messages
from bot.wiring import Resources
from bot.workers.schedule import DELIVER, STATUS
from bot.workers.worker import Worker


def courier_workers(resources: Resources, poster: Poster) -> dict[str, Worker[Any]]:
    """Return the workers `show` and `deliver`.

    They share the coordinator's locks, so that they never change a batch's messages at the same time.
    """
    places = Places()
    status = StatusUpdater(
        store=resources.store,
        coordinator=resources.coordinator,
        poster=poster,
        title=resources.catalogue.title,
        age_marks=resources.catalogue.age_marks,
        expected=Estimator(resources.store.durations, resources.limit, resources.clock).expected_end,
        clock=resources.clock,
        posting=places.busy,
    )

    async def on_slow(delivery: Delivery) -> bool:
        has_place = places.move_to_slow(delivery)
        deliver.wake()
        await status.show_download(delivery)
        return has_place

    def budget(delivery: Delivery) -> MediaBudget:
        return MediaBudget.of_try(delivery.tries, partial(on_slow, delivery), FINISHING_AFTER)

    courier = _courier(resources, poster, status, budget)

    async def claim() -> Delivery | None:
        delivery = await courier.claim(places.full(), places.deliveries())
        if delivery is not None:
            places.take(delivery)
        return delivery

    async def handle(delivery: Delivery) -> None:
        with places.held(delivery):
            await courier.deliver(delivery)

    deliver = Worker("deliver", claim, handle, replace(DELIVER, width=WIDTH))
    show = Worker("show", status.claim, status.update, STATUS)
    return {"show": show, "deliver": deliver}


def _courier(
    resources: Resources,
    poster: Poster,
    status: StatusUpdater,
    budget: Callable[[Delivery], MediaBudget],
) -> Courier:
    preparer = resources.preparer

    async def render(delivery: Delivery, prepared: Mapping[str, PreparedOutputs]) -> list[OutgoingMessage]:
        title = resources.catalogue.title(delivery.run.deployment)
        run, guild_id = delivery.run, delivery.run.guild_id
        if delivery.purpose is Purpose.SHARE:
            return await share_copy(resources.store, delivery, prepared[run.key], title)
        rules = await resources.store.rules.get(guild_id)
        reportable = poster.takes_reports(guild_id, rules) and not run.private
        offered = offered_actions(run, resources.catalogue.all(), reportable=reportable)
        origin = await resources.store.history.parent_link(run) if run.parent_key in run.sources else None
        return outcome_messages(Batch(delivery.batch, prepared, delivery.late, origin), title, offered)

    def inputs(run: Run) -> ShownInputs:
        return displayed_inputs(resources.catalogue.get(run.deployment), run.inputs)

    deliveries = resources.store.deliveries
    age_restriction = AgeRestriction(deliveries, poster, resources.catalogue.age_marks)
    owner = f"{socket.gethostname()[:32]}-{os.getpid()}-{resources.outside.random.randbytes(4).hex()}"
    return Courier(
        store=resources.store,
        poster=poster,
        router=Router(
            deliveries=deliveries,
            poster=poster,
            age_restriction=age_restriction,
            preparer=preparer,
            render=render,
            budget=budget,
            owner=owner,
            clock=resources.clock,
        ),
        age_restriction=age_restriction,
        status=status,
        metrics=resources.metrics,
        notices=NoticeBuilder(
            store=resources.store,
            poster=poster,
            age_restriction=age_restriction,
            preparer=preparer,
            title=resources.catalogue.title,
            inputs=inputs,
            budget=budget,
        ),
        removal=ResultRemoval(
            resources.store, poster, resources.catalogue.title, resources.preparer.may_link
        ),
        owner=owner,
        clock=resources.clock,
        random=resources.outside.random,
    )
