"""Faults of ComfyDeploy: each run ends in exactly one outcome, after at most one queue call."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.e2e.bot_process import BotProcess

pytestmark = pytest.mark.bot(speed=6.0, RUN_DEADLINE_SECONDS="15")
# The fault, and what the outcome says.
WORDS = {
    "hangs up after accepting": (Faults(queue_drop=True), "Picture"),
    "hangs up, and no webhook comes": (Faults(queue_drop=True, webhook_drop=True), "didn't confirm"),
    "answers late, webhooks first": (Faults(queue_delay=0.5), "Picture"),
    "answers late and says nothing": (Faults(queue_delay=0.5, webhook_drop=True), "Picture"),
    "500, and no run": (Faults(queue_status=500), "machine behind this deployment failed"),
    "503, and no run": (Faults(queue_status=503), "machine behind this deployment failed"),
    "webhooks twice": (Faults(webhook_duplicate=True), "Picture"),
    "webhooks out of order": (Faults(webhook_reorder=True), "Picture"),
    "webhooks as GET": (Faults(webhook_get_only=True), "Picture"),
    "webhooks before the reply": (Faults(webhook_before_reply=True), "Picture"),
    "webhooks lost for good": (Faults(webhook_drop=True), "Picture"),
    "the other dialect": (Faults(other_dialect=True), "Picture"),
    "all of that": (
        Faults(webhook_duplicate=True, webhook_reorder=True, webhook_get_only=True, other_dialect=True),
        "Picture",
    ),
    "an end without outputs": (Faults(outputs_missing=True), "Picture"),
    "an end without a word": (Faults(silent_end=True), "Picture"),
    "GET /run says 404": (Faults(get_status=404), "Picture"),
    "GET /run says 500": (Faults(get_status=500), "Picture"),
    "stopped by ComfyDeploy": (Faults(ends_as="timeout"), "took too long"),
    "stopped by ComfyDeploy, with everything": (Faults(ends_as="timeout", made=9), "Picture"),
    "failed": (Faults(ends_as="failed"), "This one didn't work"),
    "failed after its picture": (Faults(ends_as="failed", made=1), "made before it failed"),
    "refused by the machine": (Faults(machine_status=401), "machine behind this deployment"),
    "never ends, with outputs": (Faults(never_ends=True), "Picture"),
    "never ends, without": (Faults(hold_at="running"), "so I stopped it"),
    "never ends, can't be stopped": (Faults(hold_at="running", cancel_supported=False), "stopped waiting"),
    "never ends, nobody answers": (
        Faults(hold_at="running", get_status=500, cancel_supported=False),
        "stopped waiting",
    ),
    "a file of the wrong type": (Faults(body="wrong-type"), "Picture"),
    "a file that is cut off": (Faults(body="cut-off"), "Picture"),
    "a file whose link has run out": (Faults(body="expired"), "Picture"),
    "a file behind a private address": (Faults(body="private-redirect"), "Picture"),
}


async def ask_once(home: BotProcess, faults: Faults) -> None:
    """Send a request and wait for its queue call, so that each request meets its own fault.

    Each is from another person, because nobody may send so many in a minute.
    """
    home.comfydeploy.next_faults(faults)
    made = len(home.comfydeploy.call_log.queue_calls)
    person = home.discord.add_user(f"person-{made}", home.guild)
    await home.discord.slash(person, home.channel, "generate", {"prompt": "a fox"})
    await home.until(lambda: len(home.comfydeploy.call_log.queue_calls) > made)


async def test_each_fault_of_a_run_ends_in_one_outcome_that_says_what_it_was(home: BotProcess) -> None:
    await home.start()
    for faults, _ in WORDS.values():
        await ask_once(home, faults)
    await home.settled(runs=len(WORDS))
    await home.check_outcomes(calls=len(WORDS))
    told = {}
    for key, name in zip(await home.keys(), WORDS, strict=True):
        assert len(home.comfydeploy.call_log.calls_for(key)) == 1, name
        told[name] = home.outcomes(key)[0].text
    assert {name: text for name, text in told.items() if WORDS[name][1] not in text} == {}
    assert "Traceback" not in home.log


async def test_a_run_goes_on_through_minutes_of_5xx(home: BotProcess) -> None:
    home.comfydeploy.faults = Faults(webhook_drop=True, get_status=503, hold_at="running")
    await home.start(RUN_DEADLINE_SECONDS="600")
    await home.ask()
    await home.until(lambda: "can't get the run's state" in home.log)
    home.comfydeploy.faults = Faults(webhook_drop=True)
    home.comfydeploy.release()
    await home.settled(runs=1)
    assert (await home.outcome()).attachments


@pytest.mark.bot(speed=6.0, RUN_DEADLINE_SECONDS="5")
@pytest.mark.parametrize(
    ("faults", "verdict"),
    [
        (Faults(hold_at="running", cancel_supported=False), "stopped waiting"),
        # The machine fails, and the first webhook comes after that was told.
        (
            Faults(queue_status=500, queue_starts=1, hold_at="queued", webhook_drop=True),
            "machine behind this deployment failed",
        ),
    ],
    ids=["after the deadline", "after no reply"],
)
async def test_a_late_success_replaces_the_verdict(home: BotProcess, faults: Faults, verdict: str) -> None:
    home.comfydeploy.faults = faults
    await home.start()
    await home.ask()
    await home.settled(runs=1)
    assert verdict in (await home.outcome()).text
    home.comfydeploy.faults = faults.model_copy(update={"webhook_drop": False})
    home.comfydeploy.release()
    await home.comfydeploy.idle()
    await home.settled(runs=1)
    assert (await home.outcome()).attachments
    assert len(home.comfydeploy.call_log.queue_calls) == 1


async def test_a_success_after_the_cancel_call_does_not_change_the_outcome(home: BotProcess) -> None:
    home.comfydeploy.faults = Faults(hold_at="running", success_after_cancel=True)
    await home.start(RUN_DEADLINE_SECONDS="600")
    asking = await home.ask()
    await home.held()
    await home.cancel(asking)
    await home.settled(runs=1)
    await home.check_outcomes()
