"""Promises about calls to ComfyDeploy and the network, webhooks, outages, deadlines and downloads."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile

from demo.fake_comfydeploy.call_log import Answered
from demo.fake_comfydeploy.runs import FINAL, Run
from tests.simulation.evidence import Evidence, Request, key_of, text_of
from tests.simulation.promises.facts import (
    PICTURES_CARD,
    Clock,
    all_texts,
    answered,
    chosen,
    created,
    ended,
    monotonic,
    pressed,
    reply,
    subject,
)
from tests.simulation.promises.shared import Broken, is_about, where
from tests.simulation.story import Press
from tests.simulation.world import LURID

_QUEUE = "/api/run/deployment/queue"
_DESCRIBE = "/api/deployment"
# Seconds after which an outage is known, counted from the first failed call.
_KNOWN = 2.0
# The longest pause in seconds between two probes in an outage.
_PROBE = 10.5
# Seconds after a cancellation in which a claim may still make its queue call.
_CLAIM = 3.0
# The longest download in seconds at one byte per second. The bot gives up below 16 KiB/s over 15 seconds.
_DRIP = 20.0
_FLOODED = "ComfyDeploy isn't flooded with calls in an outage"
_DEADLINE = 120.0 + 8.0
_OUTPUTS = "/files/outputs/"
_TOOK, _TOOK_ABOUT = re.compile(r"took (\d+) s", re.IGNORECASE), 2.0
# The answer if the database is away and nothing was done.
_AWAY = "can't reach my database"
_OWN_HOSTS = ("127.0.0.1", "localhost")


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for promise, about in evidence.story.surprises:
        yield Broken(promise, about, "")
    yield from _forged_webhooks(evidence)
    yield from _acknowledged_in_vain(evidence)
    yield from _outages(evidence)
    yield from _drips(evidence)
    yield from _addresses(evidence)
    yield from _downloads(evidence)
    for request in evidence.requests:
        yield from _heard_of(evidence, request)
        yield from _duration_is_true(evidence, request)
        yield from _cancelled_before(evidence, request)
        yield from _stopped(evidence, request)


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


def _outages(evidence: Evidence) -> Iterator[Broken]:
    """Check each outage of ComfyDeploy that a failed queue call has shown to the bot."""
    ends = [at for at, said in evidence.story.struck if "is killed" in said or "SIGTERM" in said]
    alone = _submitters(evidence) == 1
    for what, since, until in evidence.story.away:
        queued = [call for call in _calls(evidence, since, until) if call.path == _QUEUE]
        failed = sorted(monotonic(call.at) for call in queued if call.status == 503)
        if what != "ComfyDeploy" or not failed:
            continue
        if not any(since < at < until for at in ends):  # a new process has to discover the outage
            yield from _no_queue_calls(evidence, failed)
            yield from _blamed(evidence, since, until)
            yield from _found_again(evidence, failed[0], until)
            yield from _asked_singly(evidence, since, until, failed[0] + _KNOWN)
        if alone and not ends:
            yield from _followed(evidence, since, until, failed[0] + _KNOWN)
        if alone:
            yield from _one_first(evidence, until)


def _calls(evidence: Evidence, since: float, until: float = float("inf")) -> list[Answered]:
    """Return the calls to ComfyDeploy in a time."""
    calls = evidence.story.world.comfydeploy.call_log.answered
    return [call for call in calls if since < monotonic(call.at) < until]


def _no_queue_calls(evidence: Evidence, failed: list[float]) -> Iterator[Broken]:
    later = [at for at in failed if at > failed[0] + _KNOWN]
    if len(later) >= _submitters(evidence):
        detail = f"{len(later)} more since {failed[0]:.0f}"
        yield Broken("no queue calls are made in a known outage", "ComfyDeploy", detail)


def _asked_singly(evidence: Evidence, since: float, until: float, known: float) -> Iterator[Broken]:
    if any(created(run) < until for run in evidence.story.world.comfydeploy.runs):
        return  # polls of runs make such calls, too
    calls = [call for call in _calls(evidence, since, until) if call.path.startswith(_DESCRIBE)]
    asked = [monotonic(call.at) for call in calls if "deployments" not in call.path]
    for at in asked:
        together = sum(at <= other < at + 0.5 for other in asked)
        if at > known and together > _submitters(evidence):
            yield Broken(_FLOODED, "ComfyDeploy", f"{together} questions at once at {at:.0f}")
            return


def _blamed(evidence: Evidence, since: float, until: float) -> Iterator[Broken]:
    for message in evidence.messages:
        told = any("The machine behind this deployment" in text for text in all_texts(message))
        if told and since < message.created < until:
            yield Broken("an outage isn't blamed on a machine", where(message), f"since {since:.0f}")


def _followed(evidence: Evidence, since: float, until: float, known: float) -> Iterator[Broken]:
    """Check that no run is polled in a known outage, and all soon afterwards."""
    calls = [call for call in _calls(evidence, since) if call.method == "GET"]
    for run in evidence.story.world.comfydeploy.runs if known < until else ():
        asked = [monotonic(call.at) for call in calls if call.path.endswith(f"/run/{run.id}")]
        # A message may ask for new links to the outputs of a run that had already ended.
        if ended(run) > since and any(known < at < until for at in asked):
            yield Broken(_FLOODED, "ComfyDeploy", f"asked about {run.id} since {since:.0f}")
        in_flight = created(run) < since < ended(run)
        if in_flight and not any(until < at < until + _PROBE + 3 for at in asked):
            yield Broken("runs are polled soon after an outage", run.id, f"until {until:.0f}")


def _one_first(evidence: Evidence, until: float) -> Iterator[Broken]:
    """Check that one run of each deployment is tried first after an outage."""
    queued = [call for call in _calls(evidence, until) if call.path == _QUEUE]
    first = min(queued, key=lambda call: call.at, default=None)
    log = evidence.story.world.comfydeploy.call_log
    waited = {call.body.get("deployment_id") for call in log.queue_calls if monotonic(call.at) > until}
    together = sum(call.at < first.ended for call in queued) if first is not None else 0
    if together > len(waited):
        yield Broken("one run is tried first after an outage", f"until {until:.0f}", f"{together} at once")


def _found_again(evidence: Evidence, failed_at: float, until: float) -> Iterator[Broken]:
    """Check that ComfyDeploy is probed regularly after the first failed queue call, until it answers."""
    clock, struck = Clock(evidence.story), evidence.story.struck
    ends = [at for at, said in struck if at > failed_at and ("is killed" in said or "SIGTERM" in said)]
    calls = evidence.story.world.comfydeploy.call_log.answered
    asked = sorted((monotonic(c.at), c.status) for c in calls if c.path.startswith(_DESCRIBE))
    last = failed_at
    for at, status in (each for each in asked if each[0] > failed_at):
        pause = clock.steady(at) - clock.steady(last)
        if ends and at > min(ends):
            return  # a new process has to discover the outage
        if pause > _PROBE:
            what = f"asked after {pause:.0f} s"
            yield Broken("the end of an outage is noticed", f"since {failed_at:.0f}", what)
        if at > until or status == 200:
            return
        last = at
    if not ends:
        yield Broken("the end of an outage is noticed", f"since {failed_at:.0f}", "never asked again")


def _drips(evidence: Evidence) -> Iterator[Broken]:
    clock = Clock(evidence.story)
    for call in evidence.story.world.comfydeploy.call_log.answered:
        took = clock.steady(monotonic(call.ended)) - clock.steady(monotonic(call.at))
        if call.path.startswith(_OUTPUTS) and took > _DRIP and _faults_of(evidence, call.path) == "slow":
            yield Broken("a download that is too slow is given up", call.path, f"downloaded for {took:.0f} s")


def _submitters(evidence: Evidence) -> int:
    """Return the number of processes that make queue calls. Each has to discover an outage."""
    roles = [settings.get("ROLES", "reconcile") for settings in evidence.story.world.layout.values()]
    return sum("reconcile" in each for each in roles)


def _opens(press: Press, request: Request) -> bool:
    """Return whether a press may have shown a result again: by a button of its message or of a list."""
    return chosen(press) in request.keys or (is_about(press, request) and bool(pressed(press)[0]))


def _downloads(evidence: Evidence) -> Iterator[Broken]:
    """Check that without faults a file is downloaded once for each message that shows it."""
    # After a 413, the bot shrinks the files and needs them again.
    refused = any(record.status == 413 for record in evidence.story.world.discord.request_log.requests)
    log = evidence.story.world.log
    troubled = [*takewhile(lambda entry: entry.text != "all faults stop", log)]
    # While the machine sleeps, leases expire, and another process may take over.
    slept = any("clocks jump" in entry.text for entry in troubled)
    others = slept and len(evidence.story.world.layout) > 1
    if evidence.story.struck or refused or others:
        return
    shown = Counter(subject(message)[0] for message in evidence.messages if message.attachments)
    calls = evidence.story.world.comfydeploy.call_log.answered
    until = troubled[-1].at
    early = [call for call in calls if monotonic(call.at) <= until]
    downloads = Counter(call.path for call in early if call.path.startswith(_OUTPUTS))
    for request in evidence.requests:
        if any(_opens(press, request) for press in evidence.story.presses):
            continue
        ask = request.ask
        if ask is None or ask.private or ask.interaction.user_install:
            continue  # its token may have expired, and then another place is tried
        # What is flagged is downloaded for the check, too, and what is held also for the card.
        cards = sum(subject(message)[1] == PICTURES_CARD for message in request.messages)
        lurid = LURID in str(ask.options.get("prompt"))
        most = max(1, shown[request.key]) + max(2 * cards, int(lurid))
        for run in request.runs:
            for path, times in downloads.items():
                if path.split("/")[4] == run.id and times > most:
                    yield Broken("a file is downloaded once", request, f"{path}: {times} times")


def _faults_of(evidence: Evidence, path: str) -> str | None:
    run = evidence.story.world.comfydeploy.runs.get(path.split("/")[4])
    return run.faults.body if run is not None else None


def _addresses(evidence: Evidence) -> Iterator[Broken]:
    for host in evidence.story.world.loop.network.dialled_hosts:
        if host not in _OWN_HOSTS:
            yield Broken("the bot connects to no private address", host, "it connected there")


def _heard_of(evidence: Evidence, request: Request) -> Iterator[Broken]:
    attempts = evidence.story.world.comfydeploy.call_log.webhook_attempts
    heard = {attempt.run_id: attempt.at for attempt in reversed(attempts) if attempt.answer == 204}
    for call in request.calls:
        first = min((heard[run_id] for run_id in call.run_ids if run_id in heard), default=float("inf"))
        again = [other for other in request.calls if key_of(other) == key_of(call) and other.at > first]
        if again:
            yield Broken("a run with a webhook isn't queued again", request, key_of(call))


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
    """Check that a run reported as too long was cancelled, and that the bot's cancellation blames nobody."""
    cancels = {call.run_id: call.at for call in evidence.story.world.comfydeploy.call_log.cancel_calls}
    for run in request.runs:
        yield from _ends_in_time(evidence, run)
        texts = [text for message in request.messages for text in all_texts(message)]
        if len(request.runs) == 1 and any("so I stopped" in text for text in texts):
            told = min(m.created for m in request.messages if any("so I stopped" in t for t in all_texts(m)))
            if run.id not in cancels and ended(run) > told:
                yield Broken(
                    "a run that took too long is cancelled at ComfyDeploy",
                    request,
                    f"{run.id} is {run.status}",
                )
        outcome = "\n".join(text_of(m.body) for m in evidence.outcomes(request))
        blamed = "was cancelled at ComfyDeploy, not by me" in outcome and len(request.runs) == 1
        if blamed and _only_the_bot_cancelled(run, cancels):
            yield Broken("the bot's own cancellation isn't blamed on others", request, run.id)


def _ends_in_time(evidence: Evidence, run: Run) -> Iterator[Broken]:
    """Check that a run is cancelled at its deadline, even without webhooks."""
    if evidence.story.struck or run.ended_at is None or not run.faults.cancel_supported:
        return
    clock = Clock(evidence.story)
    took = clock.steady(ended(run)) - clock.steady(created(run))
    if took > _DEADLINE and not run.faults.success_after_cancel:
        yield Broken("no run exceeds its deadline", run.id, f"it took {took:.0f} s")


def _duration_is_true(evidence: Evidence, request: Request) -> Iterator[Broken]:
    if len(request.runs) != 1 or request.runs[0].started_at is None or request.runs[0].ended_at is None:
        return
    took = (request.runs[0].ended_at - request.runs[0].started_at).total_seconds()
    for message in evidence.outcomes(request):
        for text in all_texts(message):
            found = _TOOK.search(text)
            if found and abs(int(found[1]) - took) > _TOOK_ABOUT and not evidence.story.struck:
                yield Broken("a duration is true", request, f"it took {took:.0f} s, told: {found[0]}")


def _only_the_bot_cancelled(run: Run, cancels: dict[str, float]) -> bool:
    return run.id in cancels and run.faults.ends_as is None
