"""Build the messenger, which posts and changes messages."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import Any

import discord

from bot.delivery.age_restriction import AgeRestriction
from bot.delivery.compose import Composer
from bot.delivery.discord_calls import DiscordCalls
from bot.delivery.estimator import Estimator
from bot.delivery.messenger import WIDTH, Messenger
from bot.delivery.status import Answers
from bot.wiring import Resources
from bot.workers.schedule import SHOW
from bot.workers.worker import Worker


def make_messenger(resources: Resources, client: discord.Client) -> Messenger:
    """Build the messenger. It needs only Discord's HTTP API."""
    store, catalogue, clock = resources.store, resources.catalogue, resources.clock
    calls = DiscordCalls(client)
    ages = AgeRestriction(calls, catalogue.age_marks)
    expected = Estimator(store.durations, resources.limit, clock).expected_end
    return Messenger(
        store=store,
        discord=calls,
        composer=Composer(store, calls, ages, resources.preparer, catalogue, clock),
        ages=ages,
        answers=Answers(calls, catalogue.title, ages.is_marked, expected, clock),
        metrics=resources.metrics,
        wakeups=resources.wakeups,
        outside=resources.outside,
        name=f"{socket.gethostname()[:32]}-{os.getpid()}-{resources.outside.random.randbytes(4).hex()}",
    )


def messenger_workers(messenger: Messenger) -> dict[str, Worker[Any]]:
    """Return the worker `show`."""
    return {"show": Worker("show", messenger.claim, messenger.handle, replace(SHOW, width=WIDTH))}
