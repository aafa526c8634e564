"""A person's runs, the queue and usage; cancelling runs and posting undelivered results again."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.budgets import Limits
from bot.domain.errors import RefusedError
from bot.domain.rules import ServerRules
from bot.domain.runs import Run
from bot.domain.text import channel_url


def _server_limits(rules: ServerRules) -> Limits:
    server = rules.budgets.server
    return Limits(
        at_once=server.at_once,
        waiting=server.waiting,
        runs_a_day=server.runs_a_day,
        gpu_seconds_a_day=server.gpu_seconds_a_day,
    )


def _elsewhere(run: Run) -> RefusedError:
    if run.guild_id is None:
        return RefusedError("post_outside")
    return RefusedError("post_elsewhere", url=channel_url(run.guild_id, run.channel_id))


# How long the queue call waits for the interaction's answer, should the process die in between.
ANSWER_HOLD = timedelta(seconds=5)
