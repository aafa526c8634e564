"""Routes whose calls can fail, and faults of runs, for the chaos runs and the simulation."""

from __future__ import annotations

from demo.fake_comfydeploy.faults import Faults

MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = f"{MESSAGES}/{{message_id}}"
POST = f"POST {MESSAGES}"
ANSWER = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
DEFER = "POST /interactions/{webhook_id}/{webhook_token}/callback"
# The routes of the bot's calls to Discord. An outcome or answer can get lost or doubled in two of them.
ROUTES = {
    POST: 2,
    DEFER: 2,
    f"GET {MESSAGES}": 1,
    f"PATCH {MESSAGE}": 1,
    f"DELETE {MESSAGE}": 1,
    f"PATCH {ANSWER}": 1,
    f"GET {ANSWER}": 1,
    f"DELETE {ANSWER}": 1,
    "POST /webhooks/{webhook_id}/{webhook_token}": 1,
    "POST /users/@me/channels": 1,
}
RUN_FAULTS = {
    "never ends": Faults(never_ends=True),
    "held": Faults(hold_at="running"),
    "held in the queue": Faults(hold_at="queued"),
    "succeeds after cancel": Faults(hold_at="running", success_after_cancel=True),
    "can't be cancelled": Faults(hold_at="running", cancel_supported=False),
    "unknown to GET": Faults(get_status=404),
    "broken GET": Faults(get_status=500),
    "busy": Faults(queue_status=429),
    "busy but started": Faults(
        queue_status=429, queue_starts=1, webhook_before_reply=True, undocumented=True, hold_at="queued"
    ),
    "slow queue call": Faults(queue_delay=4.0),
    "slow and silent": Faults(queue_delay=4.0, webhook_drop=True),
    "dripping files": Faults(body="slow"),
    "endless files": Faults(body="endless"),
    "damaged files": Faults(body="damaged"),
    "expired links": Faults(body="expired"),
    "private redirect": Faults(body="private-redirect"),
    "timed out with one": Faults(ends_as="timeout", made=1),
    "timed out silently": Faults(ends_as="timeout", made=1, webhook_drop=True),
    "timed out unheard": Faults(ends_as="timeout", made=1, silent_end=True),
    "cancelled there": Faults(ends_as="cancelled", made=1),
    "lost reply, timed out": Faults(queue_drop=True, ends_as="timeout", made=1),
}
