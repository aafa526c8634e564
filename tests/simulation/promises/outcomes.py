"""Promises: each accepted request has one true outcome in the right place, and its outputs are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from demo.fake_comfydeploy.runs import Run
from tests.fakediscord.world import Message
from tests.simulation.evidence import (
    LATE,
    OUTCOMES,
    PICTURES_CARD,
    Evidence,
    Request,
    has_offered,
    key_of,
    keys_of,
    subject,
    where,
    whole_text,
)
from tests.simulation.promises import promise
from tests.simulation.story import Ask, Press

# The words of an outcome about other requests that the same block ended.
_ALSO_ENDED = re.compile(r"(?:The block also ended|This request and) (?:another|\d+)")
_MAY_START = "It may still start"
# The words in /runs about an undelivered result.
_OFFERED = "couldn't be posted"
# What an outcome says about outputs that a moderator or the rules have hidden.
_HIDDEN = "Not shown, because of this server's picture check"
_WAITS = "Waiting for a moderator"
# How a direct message begins that says that it replaces an outcome in another place.
_LETTERS = ("I couldn't post this in", "I couldn't answer privately in", "I couldn't answer in time")
# After an outcome with one of these, a result may still come and ping again.
_MAY_CHANGE = ("If it turns up", "If it finishes after all", "so I stopped", "If that changes", "Not started")
# Faults that keep the bot from polling or storing something, or make it replace a result with a note.
_TROUBLE = (
    *("GET /run", "get_status", "is away", "killed", "SIGTERM", "fails", "COMMIT", "clock", "threads"),
    "age-restricted",
)
# Faults that close a channel to the bot for a while, or make it use another place.
_CLOSING = ("is deleted", "loses", "is removed", "the thread", "age-restricted", "is away for", "toml")
# Direct messages that don't replace an outcome in the channel begin or end like this.
_PRIVATE = ("Your request for", "Only you are told.", _HIDDEN)
_DAY = 20 * 3600.0
# The outcomes of requests that moderators turned away, and faults that may prevent a direct message.
_TURNED_AWAY = ("didn't approve this request", "of the server has blocked you")
_NO_LETTER = ("direct messages", "Discord", "both", "POST", "leaves", "is removed")


def _was_removed(evidence: Evidence, request: Request) -> bool:
    """Return whether a person with the right to it deleted a message or result of a request."""
    if any(message in evidence.story.removed for message in request.messages):
        return True
    return any(
        press.label.startswith(("Delete", "Block")) and press.action != "hide" and _entitled(press, request)
        for press in evidence.presses_about(request)
    )


def _entitled(press: Press, request: Request) -> bool:
    is_own = request.ask is not None and request.ask.who == press.who
    return is_own or press.moderates


def _is_offered(evidence: Evidence, request: Request) -> bool:
    lists = evidence.story.lists.get(request.ask.who, []) if request.ask is not None else []
    return any(_OFFERED in text for text in lists)


def _ended_by_block(evidence: Evidence, request: Request) -> bool:
    """Return whether another request's outcome may report the end of this one."""
    who = request.ask.who if request.ask is not None else ""
    own = (other for other in evidence.requests if other.ask is not None and other.ask.who == who)
    return any(_ALSO_ENDED.search(other.text) for other in own)


def _accepted(evidence: Evidence) -> Iterator[Request]:
    for request in evidence.requests:
        if request.calls or any(has_offered(message, ":cancel") for message in request.messages):
            yield request


@promise("every request has an outcome")
def _has_outcome(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in _accepted(evidence):
        excused = _was_removed(evidence, request) or _is_offered(evidence, request)
        if not evidence.outcomes(request) and not excused and not _ended_by_block(evidence, request):
            shown = [f"{where(m)}: {m.text[:90]!r}" for m in request.messages]
            yield request, f"none, only {shown}"


@promise("no status message is left")
def _no_status(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in _accepted(evidence):
        if evidence.outcomes(request) or _ended_by_block(evidence, request):
            for message in filter(evidence.is_reachable, evidence.statuses(request)):
                yield request, where(message)


@promise("every request has one outcome")
def _one_outcome(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    """An outcome may need several messages, and a late success of a batch has its own."""
    for request in _accepted(evidence):
        outcomes = evidence.outcomes(request)
        told = [m for m in outcomes if m.channel.guild or not m.text.startswith(_LETTERS)]
        told = told or outcomes
        for number, first in enumerate(told):
            for second in told[number + 1 :]:
                if _show_the_same(first, second):
                    yield request, f"{where(first)} and {where(second)}: {second.text[:60]!r}"


def _show_the_same(first: Message, second: Message) -> bool:
    names, others = ({file.filename for file in each.attachments} for each in (first, second))
    alike = keys_of(first) == keys_of(second) and bool(first.custom_ids) == bool(second.custom_ids)
    # Where neither may be shown, the notice of a late success has the key of the batch's outcome.
    is_late = [subject(each)[1] for each in (first, second)].count(LATE) == 1
    return bool(names & others) or (alike and not is_late and not (names and others))


@promise("outputs are shown")
def _outputs_are_shown(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in evidence.requests:
        who = request.ask.who if request.ask is not None else ""
        erased = (who, "privacy delete") in evidence.story.commands
        if erased or _was_removed(evidence, request) or _is_offered(evidence, request):
            continue
        shown = "\n".join(whole_text(m) for m in request.messages if not has_offered(m, ":veil"))
        if _HIDDEN in shown or was_cancelled(evidence, request):  # `pictures` checks what is hidden
            continue
        for call in request.calls:
            for run in (run for run in request.runs if run.id in call.run_ids and _makes_files(run)):
                is_shown = f"-{key_of(call)}-" in shown or f"/runs/{run.id}/" in shown
                if not is_shown and not _is_unheard_of(evidence, request, run):
                    yield request, f"nobody sees those of {key_of(call)} ({run.status})"


def was_cancelled(evidence: Evidence, request: Request) -> bool:
    """Return whether a person with the right to it pressed Cancel, below the request or in /runs."""
    return any(
        each.action == "cancel" and _entitled(each, request) for each in evidence.presses_about(request)
    )


def _makes_files(run: Run) -> bool:
    if run.faults.get_status in (404, 500) or run.faults.body == "private-redirect":
        return False
    items = [item for output in run.outputs for kind in output.data.values() for item in kind]
    return any(isinstance(item, dict) and item.get("type") == "output" for item in items)


def _is_unheard_of(evidence: Evidence, request: Request, run: Run) -> bool:
    """Return whether the bot can't know a run: the queue call got no reply, and no webhook arrived."""
    attempts = evidence.world.comfydeploy.call_log.webhook_attempts
    if any(attempt.run_id == run.id and attempt.answer == 204 for attempt in attempts):
        return False
    refused = any(run.id in call.run_ids and call.status != 200 for call in request.calls)
    return refused or "Not confirmed" in request.text or "didn't confirm" in request.text


@promise("every request has an answer")
def _answered(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for ask in evidence.story.asks:
        original = ask.interaction.original
        # In a deleted channel, nobody sees it.
        is_left = original is not None and original.deleted_at is None and not original.channel.deleted
        if is_left and original is not None and original.loading:
            yield Request(set(), ask), "thinking for ever"


@promise("nobody is told the opposite of what happens")
def _opposite(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    """Nobody is told that a request wasn't started or was rejected, and then it is started."""
    for request in (request for request in evidence.requests if request.calls):
        told = _refusal(request.ask) if request.ask is not None else ""
        if told and _MAY_START not in told:
            yield request, f"{told!r}, and it started"
        for message in filter(evidence.is_card, request.messages):
            if "Rejected by" in message.text:
                yield request, where(message)


def _refusal(ask: Ask) -> str:
    """Return the text of the answer that refused a request, or an empty text."""
    original = ask.interaction.original
    if original is None or keys_of(original) or original.loading:
        return ""
    # The status of a held result has no button. It may be the first edit that reaches Discord.
    return "" if _WAITS in ask.interaction.text else ask.interaction.text


@promise("nothing starts without an answer")
def _unanswered(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Nothing is started for an interaction whose deferral Discord refused."""
    asks = evidence.story.asks
    for mark in {ask.mark for ask in asks if not ask.interaction.answered}:
        answered = [ask for ask in asks if ask.mark == mark and ask.interaction.answered]
        started = [each for each in evidence.requests if each.calls and each.ask and each.ask.mark == mark]
        if len(started) > len(answered):
            yield mark, f"{len(started)} started, {len(answered)} answered"


@promise("an outcome pings its requester once")
def _pinged_once(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in evidence.requests:
        if request.ask is None or evidence.story.had(*_TROUBLE):
            continue
        if any(words in request.text for words in _MAY_CHANGE):
            continue
        who = evidence.world.person(request.ask.who).id
        # A late success of one run of a batch has its own message, and so has what a moderator posts.
        kinds = OUTCOMES if len(request.keys) == 1 else ("o",)
        waited = any(subject(m)[1] == PICTURES_CARD for m in request.messages)
        pings = [m for m in request.messages if subject(m)[1] in kinds and who in m.pinged]
        if len(pings) > 1 + waited:
            yield request, f"{[m.text[:50] for m in pings]}"


@promise("a result is posted in its request's channel")
def _in_its_channel(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    """A result is delayed by an outage, but isn't sent as a direct message while its channel is open."""
    for request in evidence.requests if not evidence.story.had(*_CLOSING) else ():
        ask = request.ask
        if (
            ask is None
            or ask.private
            or ask.interaction.channel.guild is None
            or ask.interaction.user_install
        ):
            continue
        for message in request.messages:
            elsewhere = message.channel.guild is None and subject(message)[1] in OUTCOMES
            is_note = any(words in message.text for words in _PRIVATE) and not message.attachments
            if elsewhere and not is_note and message.created - ask.at < _DAY:
                yield request, where(message)


@promise("a rejection is told in private")
def _turned_away(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in evidence.requests if not evidence.story.had(*_NO_LETTER) else ():
        for message in request.messages if request.ask and not request.ask.interaction.user_install else ():
            is_public = message.channel.guild is not None and not message.ephemeral
            told = any(words in whole_text(message) for words in _TURNED_AWAY)
            if is_public and told and not evidence.is_card(message):
                yield request, where(message)


@promise("what waits is decided or expires")
def _waits_for_ever(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in evidence.requests:
        for message in evidence.outcomes(request):
            if evidence.is_reachable(message) and not message.ephemeral and _WAITS in message.text:
                yield request, where(message)
