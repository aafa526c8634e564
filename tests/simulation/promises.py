"""The promises of the bot, checked against what people saw and what the services were asked to do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.fakediscord.world import Message
from tests.simulation.evidence import (
    Evidence,
    Request,
    bodies,
    is_status,
    key_of,
    keys_of,
    text_of,
    whole_text,
)
from tests.simulation.story import Ask, Story

_VIEW = 1 << 10
MODERATORS = ("mona", "mike", "owner")
# What /runs says about a result that it offers.
_OFFERED = "couldn't be posted"
_MAY_START = "It may still start"


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that wasn't kept."""

    promise: str
    about: str
    detail: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.about}: {self.detail}"


def always(story: Story) -> Iterator[Broken]:
    """Check what must hold after every step."""
    evidence = Evidence(story)
    yield from _queued_twice(evidence)
    yield from _leaks(evidence)
    yield from _shown_before_approval(evidence)
    yield from _secrets(evidence)


def at_the_end(story: Story) -> Iterator[Broken]:
    """Check everything, once all trouble is over and everything had time to end."""
    yield from always(story)
    evidence = Evidence(story)
    for request in evidence.requests:
        yield from _one_outcome(evidence, request)
        yield from _outputs_are_shown(evidence, request)
        yield from _nobody_else_ended_it(evidence, request)
    yield from _answered(evidence)
    yield from _opposite(evidence)


# A run is never started twice.


def _queued_twice(evidence: Evidence) -> Iterator[Broken]:
    calls = Counter(
        key_of(call)
        for call in evidence.story.world.comfydeploy.call_log.queue_calls
        # 429 is the one refusal after which the service certainly started nothing.
        if call.status != 429
    )
    for key, count in calls.items():
        if count > 1:
            yield Broken("a run is never queued twice", key, f"{count} queue calls")


# Each accepted request ends in exactly one visible outcome.


def _one_outcome(evidence: Evidence, request: Request) -> Iterator[Broken]:
    outcomes, left = evidence.outcomes(request), evidence.statuses(request)
    accepted = request.calls or any(_was_status(message) for message in request.messages)
    if not accepted:
        return
    reachable = [message for message in left if _reachable(evidence, message)]
    if not outcomes and not _taken(evidence, request) and not _offered(evidence, request):
        shown = [f"{_where(m)}: {text_of(m.body)[:90]!r}" for m in request.messages]
        yield Broken("every request has an outcome", str(request), f"none, only {shown}")
    elif reachable and (outcomes or not left):
        yield Broken("no status message is left", str(request), _where(reachable[0]))
    twice = _doubled(outcomes)
    if twice:
        told = [f"{_where(m)}: {text_of(m.body)[:60]!r} {_names(m)}" for m in twice]
        yield Broken("every request has one outcome", str(request), f"{told}")


def _was_status(message: Message) -> bool:
    """Return whether a message has ever shown that its request was accepted."""
    return any(
        str(component).endswith(":cancel")
        for body in bodies(message)
        for component in _custom_ids(body)
    )


def _custom_ids(body: object) -> Iterator[str]:
    if isinstance(body, dict):
        if isinstance(body.get("custom_id"), str):
            yield body["custom_id"]
        for value in body.values():
            yield from _custom_ids(value)
    elif isinstance(body, list):
        for value in body:
            yield from _custom_ids(value)


def _names(message: Message) -> set[str]:
    return {file.filename for file in message.attachments}


def _doubled(outcomes: list[Message]) -> list[Message]:
    """Return two outcomes that tell the same.

    Further messages with other files belong to the first; a late success of a batch has its own run's keys.
    """
    letters = [message for message in outcomes if _is_letter(message)]
    if len(letters) < len(outcomes):
        outcomes = [message for message in outcomes if message not in letters]
    for number, first in enumerate(outcomes):
        for second in outcomes[number + 1 :]:
            names, others = _names(first), _names(second)
            if names & others or (not names and not others and first.custom_ids and second.custom_ids):
                return [first, second]
            if bool(names) != bool(others) and first.custom_ids and second.custom_ids:
                if keys_of(first) & keys_of(second):
                    return [first, second]
    return []


def _is_letter(message: Message) -> bool:
    """Return whether a direct message tells a moderator's reason, which the channel doesn't see."""
    return message.channel.guild is None and text_of(message.body).startswith("Your request for")


def _taken(evidence: Evidence, request: Request) -> bool:
    """Return whether somebody who may do so removed the outcome, or the data of its request."""
    if any(message in evidence.story.taken for message in request.messages):
        return True
    gone = [message for message in request.messages if message.deleted_at is not None]
    for press in evidence.story.presses:
        if press.label in ("Delete", "Delete all", "Block") and _entitled(evidence, press.who, request):
            if press.message in gone or keys_of(press.message) & request.keys:
                return True
    return False


def _entitled(evidence: Evidence, who: str, request: Request) -> bool:
    return who in MODERATORS or (request.ask is not None and request.ask.who == who)


def _offered(evidence: Evidence, request: Request) -> bool:
    if request.ask is None:
        return False
    return any(_OFFERED in text for text in evidence.story.lists.get(request.ask.who, ()))


def _reachable(evidence: Evidence, message: Message) -> bool:
    """Return whether the bot can still change a message: by its channel, or by a token that is valid."""
    world = evidence.story.world
    if message.interaction is not None:
        age = world.discord.world.clock.now() - message.interaction.created_at
        if age < world.discord.interactions.token_lifetime:
            return True
    if message.ephemeral or message.channel.deleted:
        return False
    return bool(world.discord.world.bot_permissions(message.channel) & _VIEW)


def _where(message: Message) -> str:
    place = message.channel.name or f"dm of {message.channel.recipient and message.channel.recipient.name}"
    return f"#{place} {message.id}{' (ephemeral)' if message.ephemeral else ''}"


# Everybody gets an answer.


def _answered(evidence: Evidence) -> Iterator[Broken]:
    """A deferral isn't an answer: it says that the bot is thinking, for ever."""
    for ask in evidence.story.asks:
        original = ask.interaction.original
        if original is not None and original.loading and original.deleted_at is None:
            yield Broken("every request has an answer", f"request {ask.number}", "thinking for ever")


def _opposite(evidence: Evidence) -> Iterator[Broken]:
    """Nobody is told the opposite of what happens."""
    by_ask: dict[int, list[Request]] = {}
    for request in evidence.requests:
        if request.ask is not None:
            by_ask.setdefault(request.ask.number, []).append(request)
    for ask in evidence.story.asks:
        told = evidence.told_no(ask)
        if told and _MAY_START not in told:
            for request in by_ask.get(ask.number, ()):
                if request.calls:
                    yield Broken("nobody is told the opposite", str(request), f"{told!r}, and it started")
    for message in evidence.messages:
        if evidence.is_card(message):
            yield from _card_is_true(evidence, message)


def _card_is_true(evidence: Evidence, card: Message) -> Iterator[Broken]:
    text, keys = text_of(card.body), keys_of(card)
    started = any(keys & request.keys and request.calls for request in evidence.requests)
    if "Rejected by" in text and started:
        yield Broken("nobody is told the opposite", _where(card), "it says rejected, and it was started")


# Outputs that were made are shown or offered.


def _outputs_are_shown(evidence: Evidence, request: Request) -> Iterator[Broken]:
    if _taken(evidence, request) or _erased(evidence, request) or _offered(evidence, request):
        return
    everything = "\n".join(whole_text(message) for message in request.messages)
    for run in request.runs:
        if not _made_files(run) or _cannot_be_shown(run) or _cancelled(evidence, request):
            continue
        if _unheard_of(evidence, request, run):
            continue
        key = next(key_of(call) for call in request.calls if run.id in call.run_ids)
        if f"-{key}-" not in everything and f"/runs/{run.id}/" not in everything:
            yield Broken("outputs are shown", str(request), f"nobody sees those of {key} ({run.status})")


def _made_files(run: object) -> bool:
    outputs = getattr(run, "outputs", ())
    items = [item for output in outputs for kind in output.data.values() for item in kind]
    return any(isinstance(item, dict) and item.get("type") == "output" for item in items)


def _cannot_be_shown(run: object) -> bool:
    faults = run.faults  # type: ignore[attr-defined]
    return faults.get_status in (404, 500) or faults.body in ("private-redirect",)


def _unheard_of(evidence: Evidence, request: Request, run: object) -> bool:
    """Return whether the bot never learned the id of a run: it got no reply, and no webhook arrived."""
    attempts = evidence.story.world.comfydeploy.call_log.webhook_attempts
    heard = any(attempt.run_id == run.id and attempt.answer == 200 for attempt in attempts)  # type: ignore[attr-defined]
    told = any("Not confirmed" in text_of(message.body) for message in request.messages)
    return told and not heard


def _cancelled(evidence: Evidence, request: Request) -> bool:
    return any(
        press.label == "Cancel" and keys_of(press.message) & request.keys and _entitled(evidence, press.who, request)
        for press in evidence.story.presses
    )


def _erased(evidence: Evidence, request: Request) -> bool:
    return any(
        name == "privacy delete" and request.ask is not None and who == request.ask.who
        for who, name, *_ in evidence.story.commands
    )


# A stranger's press changes nothing.


def _nobody_else_ended_it(evidence: Evidence, request: Request) -> Iterator[Broken]:
    ended = [m for m in evidence.outcomes(request) if text_of(m.body).startswith("### Cancelled")]
    if ended and not _cancelled(evidence, request):
        pressed = [p.who for p in evidence.story.presses if keys_of(p.message) & request.keys]
        if pressed:
            yield Broken("strangers change nothing", str(request), f"cancelled; only {pressed} pressed")


# Nothing private is seen by the wrong person.


def _leaks(evidence: Evidence) -> Iterator[Broken]:
    for request in evidence.requests:
        ask = request.ask
        if ask is None or not ask.private:
            continue
        for message in request.messages:
            if _seen_by_others(evidence, message, ask) and not evidence.is_card(message):
                yield Broken("private results stay private", str(request), _where(message))
    for ask in evidence.story.asks:
        if not ask.private:
            continue
        for message in evidence.messages:
            if _seen_by_others(evidence, message, ask) and not evidence.is_card(message):
                if _mentions(message, ask):
                    yield Broken("private prompts stay private", f"request {ask.number}", _where(message))


def _mentions(message: Message, ask: Ask) -> bool:
    return ask.mark in whole_text(message) and all(
        ask.mark not in other.mark or other is ask for other in ()
    )


def _seen_by_others(evidence: Evidence, message: Message, ask: Ask) -> bool:
    """Return whether anybody but the requester and moderators could read a message."""
    if message.ephemeral:
        reader = message.interaction.user.name if message.interaction is not None else ""
        return reader not in (ask.who, *MODERATORS)
    if message.channel.guild is None:
        return message.channel.recipient is not evidence.story.world.person(ask.who)
    return True


def _shown_before_approval(evidence: Evidence) -> Iterator[Broken]:
    """Until a moderator decides, only the requester and the review channel see a request."""
    approved = {
        key: press.at
        for press in evidence.story.presses
        if press.label == "Approve" and press.who in MODERATORS
        for key in keys_of(press.message)
    }
    for card in evidence.messages:
        if not evidence.is_card(card) or not _asks_to_decide(card):
            continue
        for request in evidence.requests:
            if not keys_of(card) & request.keys or request.ask is None:
                continue
            first = min((approved[key] for key in request.keys if key in approved), default=float("inf"))
            for message in request.messages:
                if not _seen_by_others(evidence, message, request.ask) or evidence.is_card(message):
                    continue
                if message.created < first and request.ask.mark in whole_text(message):
                    yield Broken("requests wait for approval unseen", str(request), _where(message))


def _asks_to_decide(card: Message) -> bool:
    return any("approve" in item for body in bodies(card) for item in _custom_ids(body))


# No secret is in a message or log line.


def _secrets(evidence: Evidence) -> Iterator[Broken]:
    world, seen = evidence.story.world, evidence.story.secrets_checked
    secrets = {
        "the bot's token": world.discord.token,
        "ComfyDeploy's key": world.comfydeploy.api_key,
        "the metrics token": world.environment()["METRICS_TOKEN"],
    }
    for call in world.comfydeploy.call_log.queue_calls:
        mac = (call.webhook or "").partition("?")[0].rpartition("/")[2]
        secrets[f"the webhook's MAC of {key_of(call)}"] = mac
    for ask in evidence.story.asks:
        secrets[f"the token of request {ask.number}"] = ask.interaction.token
    lines = [entry.text for entry in world.log[seen:]]
    evidence.story.secrets_checked = len(world.log)
    texts = "\n".join([*lines, *(json.dumps(body) for m in evidence.messages for body in bodies(m))])
    for name, secret in secrets.items():
        if secret and secret in texts:
            yield Broken("secrets stay secret", name, "it is in a message or log line")


_ = is_status
