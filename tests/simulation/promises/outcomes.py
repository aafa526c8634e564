"""Promises: each request is started at most once, has exactly one true outcome, and its outputs are shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from demo.fake_comfydeploy.runs import Run
from tests.fakediscord.world import Message
from tests.simulation.evidence import (
    Evidence,
    Request,
    has_offered,
    key_of,
    keys_of,
    text_of,
    whole_text,
)
from tests.simulation.promises.facts import HIDDEN
from tests.simulation.promises.shared import Broken, cancelled, erased, offered, reachable, was_removed, where

# The words of an outcome about other requests that the same block ended.
_ALSO_ENDED = re.compile(r"(?:The block also ended|This request and) (another|\d+)")
_MAY_START = "It may still start"
# The least number of requests on a page of /runs.
_LISTED = 4


def always(evidence: Evidence) -> Iterator[Broken]:
    yield from _queued_twice(evidence)


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    ended_by_block = _ended_by_block(evidence)
    for request in evidence.requests:
        yield from _one_outcome(evidence, request, ended_by_block)
        yield from _outputs_are_shown(evidence, request)
        yield from _is_listed(evidence, request)
    yield from _answered(evidence)
    yield from _opposite(evidence)
    yield from _unanswered(evidence)


def _ended_by_block(evidence: Evidence) -> Counter[str]:
    """Return, for each person, the number of ended requests that outcomes of other requests report."""
    found: Counter[str] = Counter()
    for request in evidence.requests:
        texts = [match for each in request.messages for match in _ALSO_ENDED.findall(whole_text(each))]
        if request.ask is not None and texts:
            found[request.ask.who] += max(1 if each == "another" else int(each) for each in texts)
    return found


def _queued_twice(evidence: Evidence) -> Iterator[Broken]:
    calls = Counter(
        key_of(call)
        for call in evidence.story.world.comfydeploy.call_log.queue_calls
        # 429 is the only error after which ComfyDeploy has certainly started nothing.
        if call.status != 429
    )
    for key, count in calls.items():
        if count > 1:
            yield Broken("a run is never queued twice", key, f"{count} queue calls")


def _one_outcome(evidence: Evidence, request: Request, ended_by_block: Counter[str]) -> Iterator[Broken]:
    outcomes, left = evidence.outcomes(request), evidence.statuses(request)
    accepted = request.calls or any(has_offered(message, ":cancel") for message in request.messages)
    if not accepted:
        return
    stuck = [message for message in left if reachable(evidence, message)]
    is_quiet = not outcomes and request.ask is not None and ended_by_block[request.ask.who] > 0
    if is_quiet and request.ask is not None:
        ended_by_block[request.ask.who] -= 1
        if stuck:
            yield Broken("no status message is left", request, where(stuck[0]))
    elif not outcomes and not was_removed(evidence, request) and not offered(evidence, request):
        shown = [f"{where(m)}: {text_of(m.body)[:90]!r}" for m in request.messages]
        yield Broken("every request has an outcome", request, f"none, only {shown}")
    elif stuck and (outcomes or not left):
        yield Broken("no status message is left", request, where(stuck[0]))
    twice = _doubled(outcomes)
    if twice:
        told = [f"{where(m)}: {text_of(m.body)[:60]!r} {_names(m)}" for m in twice]
        yield Broken("every request has one outcome", request, f"{told}")


def _names(message: Message) -> set[str]:
    return {file.filename for file in message.attachments}


def _doubled(outcomes: list[Message]) -> list[Message]:
    """Return two messages that show the same outcome, or an empty list.

    An outcome may need several messages with different files, and a late success of a batch has its own.
    """
    told = [message for message in outcomes if not _is_letter(message)] or outcomes
    for number, first in enumerate(told):
        for second in told[number + 1 :]:
            names, others = _names(first), _names(second)
            alike = keys_of(first) == keys_of(second) and bool(first.custom_ids) == bool(second.custom_ids)
            if names & others or (alike and not (names and others)):
                return [first, second]
    return []


def _is_letter(message: Message) -> bool:
    """Return whether a direct message says that it replaces an outcome in another place."""
    text = text_of(message.body)
    return message.channel.guild is None and text.startswith(
        ("I couldn't post this in", "I couldn't answer privately in", "I couldn't answer in time")
    )


def _outputs_are_shown(evidence: Evidence, request: Request) -> Iterator[Broken]:
    if was_removed(evidence, request) or erased(evidence, request) or offered(evidence, request):
        return
    shown = [message for message in request.messages if not evidence.is_about_pictures(message)]
    everything = "\n".join(whole_text(message) for message in shown)
    if any(words in everything for words in HIDDEN):
        return  # `pictures` checks that they had to be hidden
    for run in request.runs:
        if not _made_files(run) or _cannot_be_shown(run) or cancelled(evidence, request):
            continue
        if is_unheard_of(evidence, request, run):
            continue
        key = next(key_of(call) for call in request.calls if run.id in call.run_ids)
        if f"-{key}-" not in everything and f"/runs/{run.id}/" not in everything:
            yield Broken("outputs are shown", request, f"nobody sees those of {key} ({run.status})")


def _made_files(run: Run) -> bool:
    items = [item for output in run.outputs for kind in output.data.values() for item in kind]
    return any(isinstance(item, dict) and item.get("type") == "output" for item in items)


def _cannot_be_shown(run: Run) -> bool:
    return run.faults.get_status in (404, 500) or run.faults.body == "private-redirect"


def is_unheard_of(evidence: Evidence, request: Request, run: Run) -> bool:
    """Return whether the bot can't know a run: the queue call got no reply, and no webhook arrived.

    A shown result counts as an arrived webhook, because a process may store one and die before its answer.
    """
    attempts = evidence.story.world.comfydeploy.call_log.webhook_attempts
    keys = {key_of(call) for call in request.calls if run.id in call.run_ids}
    names = [each.filename for message in request.messages for each in message.attachments]
    shown = any(key in name for key in keys for name in names)
    if shown or any(attempt.run_id == run.id and attempt.answer == 204 for attempt in attempts):
        return False
    refused = any(run.id in call.run_ids and call.status != 200 for call in request.calls)
    told = "\n".join(whole_text(message) for message in request.messages)
    return refused or "Not confirmed" in told or "didn't confirm" in told


def _is_listed(evidence: Evidence, request: Request) -> Iterator[Broken]:
    """The requester finds each started request in /runs, unless something has removed it."""
    ask, story = request.ask, evidence.story
    if ask is None or ask.how != "generate" or erased(evidence, request) or not request.calls:
        return
    if sum(other.who == ask.who for other in story.asks) > _LISTED or "prompt" not in ask.options:
        return
    lists = story.lists.get(ask.who, [])
    forgets = any(press.custom_id.startswith("set:record") for press in story.presses)
    if forgets or story.had("is removed") or not lists:
        return
    if not any(ask.mark in text for text in lists):
        yield Broken("/runs lists every kept request", request, f"/runs of {ask.who} has no {ask.mark}")


def _answered(evidence: Evidence) -> Iterator[Broken]:
    """Check that no answer is left at "thinking…". In a deleted channel, nobody sees it."""
    for number in evidence.story.thinking:
        yield Broken("an answer is shown once Discord has recovered", f"request {number}", "it was thinking")
    for ask in evidence.story.asks:
        original = ask.interaction.original
        if original is None or original.channel.deleted:
            continue
        if original.loading and original.deleted_at is None:
            yield Broken("every request has an answer", Request("", ask=ask), "thinking for ever")


def _unanswered(evidence: Evidence) -> Iterator[Broken]:
    """Nothing is started for an interaction whose deferral Discord refused."""
    asks = evidence.story.asks
    for mark in {ask.mark for ask in asks if not ask.interaction.answered}:
        alike = [ask for ask in asks if ask.mark == mark]
        started = [each for each in evidence.requests if each.calls and each.ask in alike]
        if len(started) > sum(ask.interaction.answered for ask in alike):
            yield Broken(
                "nobody is told the opposite of what happens",
                mark,
                "it started without an answer",
            )


def _opposite(evidence: Evidence) -> Iterator[Broken]:
    """Nobody is told that a request wasn't started, and then it is."""
    for request in evidence.requests:
        told = evidence.told_no(request.ask) if request.ask is not None else ""
        if told and request.calls and _MAY_START not in told:
            yield Broken("nobody is told the opposite of what happens", request, f"{told!r}, and it started")
        for message in request.messages:
            if request.calls and evidence.is_card(message) and "Rejected by" in text_of(message.body):
                yield Broken("nobody is told the opposite of what happens", request, where(message))
