"""The steps at which the tests kill the bot, in the notation of `tests.e2e.run_and_kill`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.e2e.bot_process import BotProcess

INTAKE = "bot.store.requests:RequestStore"
RUNS = "bot.store.runs:RunStore"
WORK = "bot.store.claims:ClaimStore"
MESSAGES = "bot.store.messages:MessageStore"
MESSENGER = "bot.delivery.messenger:Messenger"
COPIES = "bot.store.copies:CopyStore"
COMFY = "bot.comfydeploy.client:ComfyDeploy"
DISCORD = "bot.discord_api.calls:DiscordCalls"

TAKEN_IN = (
    f"{INTAKE}.accept:before:1",
    f"{INTAKE}.accept:after:1",
    f"{MESSAGES}.answered:before:1",
    f"{MESSAGES}.answered:after:1",
)
DELIVERED = (
    f"{MESSENGER}.handle:before:1",
    f"{MESSAGES}.begin:before:1",
    f"{MESSAGES}.begin:after:1",
    f"{DISCORD}.post:after:1",
    f"{DISCORD}.delete_original:after:1",
    f"{MESSENGER}.handle:after:1",
    f"{MESSAGES}.turn:released:1",
)
# A copy of a result whose outcome was delivered before.
COPIED = (
    f"{COPIES}.claim:before:1",
    f"{COPIES}.claim:after:1",
    f"{MESSAGES}.begin:before:2",
    f"{MESSAGES}.begin:after:2",
    f"{DISCORD}.post:before:2",
    f"{DISCORD}.post:after:2",
    f"{COPIES}.record:before:1",
    f"{COPIES}.record:after:1",
)
# The removal of a copy that was posted after its result's outcome.
COPY_DELETED = (
    f"{COPIES}.delete:before:1",
    f"{COPIES}.delete:after:1",
    f"{DISCORD}.delete:before:1",
    f"{DISCORD}.delete:after:1",
)
# A request's whole life, in its order.
ONE_LIFE = (
    *TAKEN_IN,
    f"{WORK}.claim_submission:got:1",
    f"{COMFY}.start_run:before:1",
    f"{COMFY}.start_run:after:1",
    # For the queue reply and for each webhook.
    f"{RUNS}.record_report:before:1",
    f"{RUNS}.record_report:after:1",
    f"{RUNS}.record_report:before:2",
    f"{RUNS}.record_report:after:2",
    f"{RUNS}.record_report:after:3",
    f"{RUNS}.record_report:before:4",
    f"{RUNS}.record_report:after:4",
    *DELIVERED,
)


# After a death here only time brings the request on: no webhook will come, and no reply is on its way.
ONLY_TIME_HELPS = (
    f"{INTAKE}.accept:after",
    f"{MESSAGES}.answered:before",
    f"{WORK}.claim_submission:got",
    f"{COMFY}.start_run:before",
)

# Here the copy is there, and its lease has to end.
COPY_ENDS = (
    f"{COPIES}.record:before:1",
    f"{COPIES}.record:after:1",
)


def never_begun(point: str) -> bool:
    """Return whether a bot killed at this step has not stored the request."""
    return point == TAKEN_IN[0]


def time_away(point: str) -> float:
    """Return how many seconds a bot killed at this step should be away, so that the test need not wait.

    After other steps it returns at once: past its grace times it would give up on calls in progress.
    """
    if point in COPY_ENDS:
        return 70.0
    return 30.0 if point.rpartition(":")[0] in ONLY_TIME_HELPS else 0.0


async def dies_and_returns(
    home: BotProcess,
    point: str,
    act: Callable[[], Awaitable[object]],
    again: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Start the bot, act, let it die at the point, restart it, and wait until nothing is left to do.

    `again` repeats after the restart what the bot forgot.
    """
    await home.start(die_at=point)
    await act()
    await home.died()
    await home.start(ahead=time_away(point))
    if again:
        await again()
    await home.settled()
