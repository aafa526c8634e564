"""Draw the faults of Discord and ComfyDeploy in a round, and the step at which the bot dies, from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable

from demo.fake_comfydeploy.faults import CHAOS, Chaos, Faults
from tests.e2e.kill_points import ONE_LIFE
from tests.fakediscord.faults import Fault

CALLBACK = "POST /interactions/{webhook_id}/{webhook_token}/callback"
_ANSWER = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
_LIST = "/channels/{channel_id}/messages"
_ONE = f"{_LIST}/{{message_id}}"
# Twice: the post is where an outcome is lost or doubled.
ROUTES = (
    f"POST {_LIST}",
    f"POST {_LIST}",
    f"GET {_LIST}",
    f"PATCH {_ANSWER}",
    f"DELETE {_ANSWER}",
    f"GET {_ANSWER}",
    f"PATCH {_ONE}",
    f"DELETE {_ONE}",
    "POST /users/@me/channels",
    CALLBACK,
)
FAULTS: tuple[Callable[[random.Random], Fault], ...] = (
    lambda chance: Fault.answer(chance.choice((500, 502, 503))),
    lambda chance: Fault.answer_after(chance.choice((500, 502, 503))),
    lambda chance: Fault.rate_limit(chance.uniform(0.5, 8)),
    lambda _: Fault.drop_before(),
    lambda _: Fault.drop_halfway(),
    lambda _: Fault.lose_reply(),
    lambda _: Fault.lose_reply(),
    lambda chance: Fault.delay(chance.uniform(0.05, 0.4), after=chance.random() < 0.5),
)

# Points that a short life certainly reaches, and that the sweep of every step holds as well.
DEATHS = tuple(point for point in ONE_LIFE if ":got:" not in point)

# The fake ComfyDeploy's own faults, and those that only a longer story shows.
LONG_LIVES = {
    "never_ends": Faults(never_ends=True),
    "held_for_good": Faults(hold_at="running"),
    "held_success_after_cancel": Faults(hold_at="running", success_after_cancel=True),
    "cannot_cancel": Faults(hold_at="running", cancel_supported=False),
    "gone_from_get": Faults(get_status=404),
    "broken_get": Faults(get_status=500),
    "too_busy": Faults(queue_status=429),
    "slow_queue": Faults(queue_delay=0.6),
    "slow_and_silent": Faults(queue_delay=0.6, webhook_drop=True),
}


def comfy_faults(chance: random.Random) -> Faults:
    """Return the faults of one queue call; half of the calls have none."""
    if chance.random() < 0.5:
        return Faults()
    if chance.random() < 0.25:
        return LONG_LIVES[chance.choice(sorted(LONG_LIVES))]
    return Chaos(dict.fromkeys(CHAOS, 0.12), seed=chance.randrange(2**32)).draw()


def discord_faults(chance: random.Random) -> list[tuple[str, Fault, int]]:
    """Return the faults of one round as (route, fault, count)."""
    count = chance.choice((0, 0, 1, 1, 2, 3))
    return [
        (chance.choice(ROUTES), chance.choice(FAULTS)(chance), chance.choice((1, 1, 1, 2, 3)))
        for _ in range(count)
    ]
