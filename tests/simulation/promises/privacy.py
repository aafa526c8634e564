"""Promises: nobody sees private results, requests before their approval, or secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.fakediscord.world import Message
from tests.simulation.evidence import Evidence, bodies, custom_ids_in, key_of, keys_of, whole_text
from tests.simulation.promises.shared import MODERATORS, Broken, seen_by_others, text_in, where
from tests.simulation.story import Ask


def always(evidence: Evidence) -> Iterator[Broken]:
    yield from _leaks(evidence)
    yield from _shown_before_approval(evidence)
    yield from _secrets(evidence)


def _leaks(evidence: Evidence) -> Iterator[Broken]:
    """Check that only the requester and moderators see a private result and its prompt."""
    for request in evidence.requests:
        if request.ask is not None and request.ask.private:
            for message in _overseen(evidence, request.messages, request.ask):
                yield Broken("private results stay private", request, where(message))
    # A repeated request has the mark of the first one, who decides whether it is private.
    first = {ask.mark: ask for ask in reversed(evidence.story.asks)}
    for ask in first.values():
        if ask.private and not _is_told_elsewhere(evidence, ask):
            for message in _overseen(evidence, evidence.messages, ask):
                if ask.mark in whole_text(message).split():
                    yield Broken("private prompts stay private", f"request {ask.number}", where(message))


def _overseen(evidence: Evidence, messages: list[Message], ask: Ask) -> Iterator[Message]:
    """Yield the messages that others could read, except moderators' cards."""
    for message in messages:
        if seen_by_others(evidence, message, ask) and not evidence.is_card(message):
            yield message


def _is_told_elsewhere(evidence: Evidence, ask: Ask) -> bool:
    """Return whether a private prompt was published on purpose, by a public request or a preset."""
    saved = any(
        command.name.startswith("preset") and command.who == ask.who for command in evidence.story.commands
    )
    return saved or any(other.mark == ask.mark and not other.private for other in evidence.story.asks)


def _shown_before_approval(evidence: Evidence) -> Iterator[Broken]:
    # Approve may be pressed several times; the earliest press counts.
    approved = {
        key: press.at
        for press in reversed(evidence.story.presses)
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
                if not seen_by_others(evidence, message, request.ask) or evidence.is_card(message):
                    continue
                if message.created < first and request.ask.mark in whole_text(message):
                    yield Broken("nobody sees a request before its approval", request, where(message))


def _asks_to_decide(card: Message) -> bool:
    return any("approve" in item for body in bodies(card) for item in custom_ids_in(body))


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
    texts = "\n".join(
        [
            evidence.story.metrics,
            *lines,
            *(json.dumps(body) for m in evidence.messages for body in bodies(m)),
            *(text_in(file) for m in evidence.messages for file in m.attachments),
        ]
    )
    for name, secret in secrets.items():
        if secret and secret in texts:
            yield Broken("secrets stay secret", name, "it is in a message, log line or metric")
