"""Channels that are not plain text channels."""

from __future__ import annotations

import simcord

from tests.harness import Harness


def thread_in(bot: Harness, parent: simcord.ChannelHandle, *, locked: bool = False) -> simcord.ChannelHandle:
    made = bot.env.backend.create_thread(parent.id, "a thread", bot.alice.id, broadcast=False)
    made.thread_metadata.locked = locked
    bot.env.backend.announce_thread_create(made)
    return simcord.ChannelHandle(bot.env, bot.guild, made)
