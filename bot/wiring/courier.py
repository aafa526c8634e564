"""The role that posts: outcomes, cards, and status messages, by Discord's HTTP API alone."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Mapping
from typing import Any

from bot.comfydeploy.client import ComfyClient
from bot.delivery.courier import Courier
from bot.delivery.notices import Errands
from bot.delivery.posting import Poster
from bot.delivery.routes import Ladder
from bot.delivery.status import StatusKeeper
from bot.delivery.uploads import Packer
from bot.deployments.input_text import ShownInputs, shown_inputs
from bot.domain.runs import Delivery, Output, Run
from bot.ui.components import Part, Prepared
from bot.ui.follow_ups import onward_of
from bot.ui.results import Several, outcome_parts, several_parts
from bot.wiring.foundations import Foundations
from bot.workers.worker import Worker


def courier_workers(base: Foundations, poster: Poster) -> dict[str, Worker[Any]]:
    """`show` and `deliver`, which keep out of each other's way over one run's status message."""
    status = StatusKeeper(
        store=base.store, line=base.line, poster=poster, title=base.catalogue.title, clock=base.clock
    )
    courier = _courier(base, poster, status)
    return {
        "show": Worker("show", status.claim, status.show, pause=1, width=8),
        "deliver": Worker("deliver", courier.claim, courier.deliver, pause=1, width=8),
    }


def _courier(base: Foundations, poster: Poster, status: StatusKeeper) -> Courier:
    packer = Packer(base.fetcher, _link_renewer(base.comfy))

    def render(delivery: Delivery, prepared: Mapping[str, Prepared]) -> list[Part]:
        run = delivery.run
        title = base.catalogue.title(run.deployment)
        if delivery.together:
            return several_parts(Several(delivery.together, prepared, delivery.late), title)
        onward = onward_of(run, base.catalogue.all())
        return outcome_parts(run, title, prepared.get(run.key, Prepared()), onward)

    def inputs(run: Run) -> ShownInputs:
        return shown_inputs(base.catalogue.get(run.deployment), run.inputs)

    owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return Courier(
        store=base.store,
        poster=poster,
        ladder=Ladder(
            deliveries=base.store.deliveries,
            poster=poster,
            packer=packer,
            render=render,
            owner=owner,
            clock=base.clock,
        ),
        status=status,
        metrics=base.metrics,
        errands=Errands(
            store=base.store,
            poster=poster,
            packer=packer,
            title=base.catalogue.title,
            inputs=inputs,
            clock=base.clock,
        ),
        owner=owner,
        clock=base.clock,
    )


def _link_renewer(comfy: ComfyClient) -> Callable[[Run], Any]:
    async def renew(run: Run) -> tuple[Output, ...]:
        return (await comfy.run(run.run_id)).outputs if run.run_id else run.outputs

    return renew
