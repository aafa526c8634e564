"""Promises about calls to ComfyDeploy and the network, webhooks, outages, deadlines and downloads."""

from __future__ import annotations

from collections.abc import Iterator

from demo.fake_comfydeploy.runs import FINAL, Run
from tests.simulation.evidence import Evidence, Request, key_of
from tests.simulation.promises.facts import (
    Clock,
    all_texts,
    answered,
    chosen,
    created,
    ended,
    monotonic,
    pressed,
    reply,
)
from tests.simulation.promises.shared import Broken

_QUEUE = "/api/run/deployment/queue"
# Seconds after which an outage is known, counted from the first failed call.
_KNOWN = 2.0
# Seconds after a cancellation in which a claim may still make its queue call.
_CLAIM = 3.0
_DEADLINE = 120.0 + 8.0
# The answer if the database is away and nothing was done.
_AWAY = "can't reach my database"
_OWN_HOSTS = ("127.0.0.1", "localhost")


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for promise, about in evidence.story.surprises:
        yield Broken(promise, about, "")
    yield from _forged_webhooks(evidence)
    yield from _acknowledged_in_vain(evidence)
    yield from _queued_in_vain(evidence)
    yield from _addresses(evidence)
    for request in evidence.requests:
        yield from _cancelled_before(evidence, request)
        yield from _stopped(evidence, request)
        for run in request.runs:
            yield from _ends_in_time(evidence, run)


def _forged_webhooks(evidence: Evidence) -> Iterator[Broken]:
    for how, status in evidence.story.forged_webhooks:
        if 200 <= status < 300:
            yield Broken("a webhook needs its secret", how, f"answered {status}")


def _acknowledged_in_vain(evidence: Evidence) -> Iterator[Broken]:
    """Check that a final webhook isn't acknowledged while the database is away, so that it is repeated."""
    for what, since, until in evidence.story.away:
        if what != "the database":
            continue
        for attempt in evidence.story.world.comfydeploy.call_log.webhook_attempts:
            # An attempt has the time of its answer, which takes milliseconds unless the bot waits.
            inside = since + 1.5 < monotonic(attempt.at) < until
            if (
                inside
                and attempt.status in FINAL
                and isinstance(attempt.answer, int)
                and attempt.answer < 300
            ):
                yield Broken(
                    "a webhook is acknowledged only if it is stored",
                    attempt.run_id,
                    f"answered {attempt.answer}",
                )


def _queued_in_vain(evidence: Evidence) -> Iterator[Broken]:
    """No queue calls are made once a failed one has shown an outage of ComfyDeploy."""
    # Each process that makes queue calls has to discover the outage, and a new one discovers it again.
    roles = [settings.get("ROLES", "reconcile") for settings in evidence.story.world.layout.values()]
    submitters = sum("reconcile" in each for each in roles)
    ends = [at for at, said in evidence.story.struck if "is killed" in said or "SIGTERM" in said]
    calls = evidence.story.world.comfydeploy.call_log.answered
    for what, since, until in evidence.story.away:
        if what != "ComfyDeploy" or any(since < at < until for at in ends):
            continue
        failed = [monotonic(call.at) for call in calls if call.path == _QUEUE and call.status == 503]
        failed = sorted(at for at in failed if since < at < until)
        later = [at for at in failed if at > failed[0] + _KNOWN]
        if len(later) >= submitters:
            detail = f"{len(later)} more since {failed[0]:.0f}"
            yield Broken("no queue calls are made in a known outage", "ComfyDeploy", detail)


def _addresses(evidence: Evidence) -> Iterator[Broken]:
    for host in evidence.story.world.loop.network.dialled_hosts:
        if host not in _OWN_HOSTS:
            yield Broken("the bot connects to no private address", host, "it connected there")


def _cancelled_before(evidence: Evidence, request: Request) -> Iterator[Broken]:
    if evidence.story.had("in threads", "clock is set"):
        return
    for press in evidence.story.presses:
        key, action = pressed(press)
        told = action == "cancel" and key in request.keys and "requester" in press.rights
        told |= chosen(press, "cancel") in request.keys
        if not told or press.forged or _AWAY in press.interaction.text + reply(press):
            continue
        for call in request.calls:
            mine = action != "cancel" or key in (key_of(call), request.key)
            if mine and monotonic(call.at) > answered(press) + _CLAIM:
                yield Broken("a cancelled request isn't started", request, f"{press.who} had cancelled it")


def _stopped(evidence: Evidence, request: Request) -> Iterator[Broken]:
    """A run that is reported as too long has been cancelled at ComfyDeploy."""
    told = [m.created for m in request.messages if any("so I stopped" in text for text in all_texts(m))]
    cancels = {call.run_id for call in evidence.story.world.comfydeploy.call_log.cancel_calls}
    for run in request.runs if told and len(request.runs) == 1 else ():
        if run.id not in cancels and ended(run) > min(told):
            detail = f"{run.id} is {run.status}"
            yield Broken("a run that took too long is cancelled at ComfyDeploy", request, detail)


def _ends_in_time(evidence: Evidence, run: Run) -> Iterator[Broken]:
    """A run is cancelled at its deadline, even without webhooks."""
    if evidence.story.struck or not run.faults.cancel_supported or run.faults.success_after_cancel:
        return
    clock = Clock(evidence.story)
    took = clock.steady(ended(run)) - clock.steady(created(run))
    if took > _DEADLINE and run.ended_at is not None:
        yield Broken("no run exceeds its deadline", run.id, f"it took {took:.0f} s")
