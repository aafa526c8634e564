"""Promises about calls to ComfyDeploy and the network, webhooks, limits and workers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from demo.fake_comfydeploy.runs import Run
from tests.simulation.evidence import Evidence, Request, ended, key_of, monotonic, whole_text
from tests.simulation.promises import promise
from tests.simulation.setup import AT_ONCE, LIMITS

# Seconds after a cancellation in which a claim may still make its queue call.
_CLAIM = 3.0
# The answer if the database is away and nothing was done.
_AWAY = "can't reach my database"
# After these outcomes a run may still be executing at ComfyDeploy.
_OUT_OF_SIGHT = ("Not confirmed", "Timed out", "Cancelled")
_LATE = re.compile(r"bot\.workers\.worker (submit|check|show|probe|progress) found an item that nothing had")
# Seconds after which a worker looks for due items without being woken.
_LONGEST_SLEEP = 30.0
# Faults that may lose a wake-up or move the clock.
_EXCUSES = re.compile(r"clock|is killed|SIGTERM|database|COMMIT|fails: ")


@promise("a run is never queued twice")
def _queued_twice(evidence: Evidence) -> Iterator[tuple[str, str]]:
    # 429 is the only error after which ComfyDeploy has certainly started nothing.
    for key, count in Counter(key_of(call) for call in evidence.calls if call.status != 429).items():
        if count > 1:
            yield key, f"{count} queue calls"


@promise("a cancelled request isn't started")
def _cancelled_before(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in evidence.requests if not evidence.story.had("in threads", "clock is set") else ():
        for press in evidence.presses_about(request):
            is_own = request.ask is not None and press.who == request.ask.who and not press.forged
            if press.action != "cancel" or not is_own or _AWAY in press.interaction.text + press.reply:
                continue
            if any(monotonic(call.at) > press.answered + _CLAIM for call in request.calls):
                yield request, f"{press.who} had cancelled it"


@promise("a run that took too long is cancelled at ComfyDeploy")
def _stopped(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    cancels = {call.run_id for call in evidence.world.comfydeploy.call_log.cancel_calls}
    for request in (request for request in evidence.requests if len(request.runs) == 1):
        told = [m.created for m in request.messages if "so I stopped" in whole_text(m)]
        for run in request.runs if told else ():
            if run.id not in cancels and ended(run) > min(told):
                yield request, f"{run.id} is {run.status}"


@promise("the bot connects to no private address")
def _addresses(evidence: Evidence) -> Iterator[tuple[str, str]]:
    for host in evidence.world.loop.network.dialled_hosts:
        if host not in ("127.0.0.1", "localhost"):
            yield host, "it connected there"


@promise("no worker oversleeps")
def _oversleeps(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """No worker logs an item that no wake-up announced, unless a fault may have lost it."""
    log = evidence.world.log
    struck = [entry.at for entry in log if entry.who == "trouble" and _EXCUSES.search(entry.text)]
    for entry in log:
        late = _LATE.search(entry.text)
        if late is not None and not any(entry.at - _LONGEST_SLEEP <= at <= entry.at for at in struck):
            yield late[1], f"{entry.who} found something late at {entry.at:.3f}"


# Limits.


@promise("no limit is exceeded")
def _at_once(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Check the runs at the same time of each deployment, and those of each person in Studio."""
    studio = evidence.world.cast.guilds["studio"]
    same_limits = not any(press.custom_id.startswith(LIMITS) for press in evidence.story.presses)
    together = defaultdict[tuple[str, int], list[Run]](list)
    for request in evidence.requests:
        if any(call.status != 200 for call in request.calls) or any(w in request.text for w in _OUT_OF_SIGHT):
            continue
        for run in request.runs:
            # The bot stops waiting for a run that doesn't end when it is cancelled.
            if run.faults.cancel_supported and not run.faults.success_after_cancel:
                together[run.deployment.name, run.deployment.concurrency_limit].append(run)
                if (
                    request.ask is not None
                    and request.ask.interaction.channel.guild is studio
                    and same_limits
                ):
                    together[request.ask.who, AT_ONCE].append(run)
    for (name, limit), runs in together.items():
        if (most := _most_at_once(runs)) > limit:
            yield name, f"{most} runs at once, the limit is {limit}"


def _most_at_once(runs: Iterable[Run]) -> int:
    """Return the largest number of these runs that existed at the same instant."""
    changes = [(run.created_at.timestamp(), 1) for run in runs]
    changes += [(run.ended_at.timestamp(), -1) for run in runs if run.ended_at is not None]
    most = now = 0
    # An end precedes a start of the same instant.
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most
