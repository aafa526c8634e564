"""WorldChanges that are not a plain channel, and deployments that are not for every place."""

from __future__ import annotations

import simcord

from demo.standin.deployments import PICTURE_ID
from tests.harness import Harness

ADULT = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\nage_restricted = true\n'


def thread_in(bot: Harness, parent: simcord.ChannelHandle, *, locked: bool = False) -> simcord.ChannelHandle:
    made = bot.env.backend.create_thread(parent.id, "a thread", bot.alice.id, broadcast=False)
    made.thread_metadata.locked = locked
    bot.env.backend.announce_thread_create(made)
    return simcord.ChannelHandle(bot.env, bot.guild, made)
