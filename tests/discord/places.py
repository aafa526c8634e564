"""Places that are not a plain channel, and deployments that are not for every place."""

from __future__ import annotations

import simcord

from demo.standin.deployments import PICTURE_ID
from tests.stage import Stage

ADULT = f'[deployments.picture]\ndeployment_id = "{PICTURE_ID}"\nage_restricted = true\n'


def thread_in(s: Stage, parent: simcord.ChannelHandle, *, locked: bool = False) -> simcord.ChannelHandle:
    made = s.env.backend.create_thread(parent.id, "a thread", s.alice.id, broadcast=False)
    made.thread_metadata.locked = locked
    s.env.backend.announce_thread_create(made)
    return simcord.ChannelHandle(s.env, s.guild, made)
