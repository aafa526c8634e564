"""Draw the faults of a chaos round."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from demo.fake_comfydeploy.faults import CHAOS, Chaos, Faults
from tests.commits.proxy import Loss, Step
from tests.fakediscord.faults import Fault

CALLBACK = "POST /interactions/{webhook_id}/{webhook_token}/callback"
_ANSWER = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
_LIST = "/channels/{channel_id}/messages"
_ONE = f"{_LIST}/{{message_id}}"
# The post is listed twice, because there an outcome can get lost or doubled.
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

# Faults that need a longer round than `CHAOS` of the fake ComfyDeploy.
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

# Files that arrive slowly, never, or broken.
FILES = {
    "dripping": Faults(body="slow"),
    "endless": Faults(body="endless"),
    "damaged": Faults(body="damaged"),
    "expired": Faults(body="expired"),
    "redirected": Faults(body="private-redirect"),
    "dripping_at_timeout": Faults(body="slow", ends_as="timeout", made=99),
}
# Failed runs with outputs that no webhook contains.
ENDS_WITH_OUTPUTS = {
    "timeout": Faults(ends_as="timeout", made=1),
    "timeout_in_silence": Faults(ends_as="timeout", made=1, webhook_drop=True),
    "timeout_with_lost_end": Faults(ends_as="timeout", made=1, silent_end=True),
    "failed": Faults(ends_as="failed", made=1),
    "failed_in_silence": Faults(ends_as="failed", made=1, webhook_drop=True),
    "cancelled": Faults(ends_as="cancelled", made=1),
    "lost_reply_and_timeout": Faults(queue_drop=True, ends_as="timeout", made=1),
}


def comfy_faults(chance: random.Random) -> Faults:
    """Return the faults of one queue call; half of the calls have none."""
    if chance.random() < 0.5:
        return Faults()
    menu = chance.choice((LONG_LIVES, FILES, ENDS_WITH_OUTPUTS, None, None))
    if menu is not None:
        return menu[chance.choice(sorted(menu))]
    return Chaos(dict.fromkeys(CHAOS, 0.12), seed=chance.randrange(2**32)).draw()


def discord_faults(chance: random.Random) -> list[tuple[str, Fault, int]]:
    """Return the faults of one round as (route, fault, count)."""
    count = chance.choice((0, 0, 1, 1, 2, 3))
    return [
        (chance.choice(ROUTES), chance.choice(FAULTS)(chance), chance.choice((1, 1, 1, 2, 3)))
        for _ in range(count)
    ]


@dataclass(frozen=True, slots=True)
class LostSteps:
    """Losses of a database's COMMITs or other statements, or of the replies to them."""

    loss: Loss
    every: int
    times: int
    commits_only: bool

    def __str__(self) -> str:
        what = "COMMIT" if self.commits_only else "statement"
        return f"{self.times} x every {self.every}th {what}: its {self.loss} is lost"

    def matcher(self) -> Callable[[Step], bool]:
        """Return a predicate that is true for every nth step."""
        seen = count(1)

        def matches(step: Step) -> bool:
            if self.commits_only and step.sql != "COMMIT":
                return False
            return next(seen) % self.every == 0

        return matches


def lost_steps(chance: random.Random) -> LostSteps | None:
    """Draw the losses of a round's database; None in most rounds."""
    drawn = LostSteps(
        loss=chance.choice((Loss.REPLY, Loss.REPLY, Loss.STATEMENT)),
        every=chance.choice((1, 2, 3, 5, 8)),
        times=chance.choice((1, 1, 2, 3)),
        commits_only=chance.random() < 0.7,
    )
    return drawn if chance.random() < 0.3 else None
