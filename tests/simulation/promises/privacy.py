"""Promises: nobody sees private results, hidden prompts, requests before their approval, or secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tests.fakediscord.world import Message
from tests.simulation.evidence import (
    SHARE,
    Evidence,
    Request,
    bodies,
    has_offered,
    key_of,
    reader_of,
    subject,
    where,
    whole_text,
)
from tests.simulation.promises import promise
from tests.simulation.story import Ask
from tests.simulation.world import World

_MODERATORS = ("mona", "mike", "rita", "owner")
# A token in the log of a failed run.
_LOGGED = "hf_notForPeople123"
_SIGNATURE = re.compile(r"[?&](?:hm|X-Amz-Signature|X-Amz-Credential)=(?!\[hidden\])[^&\s\"]{6,}")


def _seen_by_others(evidence: Evidence, message: Message, ask: Ask) -> bool:
    """Return whether anybody but the requester could read a message. Moderators may read ephemeral ones."""
    readers = (ask.who, *(_MODERATORS if message.ephemeral else ()))
    return reader_of(message) not in readers and not evidence.is_card(message)


@promise("private results stay private")
def _private_results(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in evidence.requests:
        for message in request.messages if request.ask is not None and request.ask.private else ():
            if request.ask is not None and _seen_by_others(evidence, message, request.ask):
                yield request, where(message)


@promise("private prompts stay private")
def _private_prompts(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """The requester may publish a prompt, by a public request with the same one or by a preset."""
    savers = {who for who, name in evidence.story.commands if name.startswith("preset")}
    public = {ask.mark for ask in evidence.story.asks if not ask.private}
    # A repeated request has the mark of the first one.
    first = {ask.mark: ask for ask in reversed(evidence.story.asks)}
    for ask in (each for each in first.values() if each.mark not in public and each.who not in savers):
        for message in evidence.messages:
            if ask.mark in whole_text(message).split() and _seen_by_others(evidence, message, ask):
                yield f"request {ask.number}", where(message)


@promise("nobody sees a request before its approval")
def _before_approval(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in evidence.requests:
        ask = request.ask
        if ask is None or not any(
            has_offered(m, ":approve") for m in filter(evidence.is_card, request.messages)
        ):
            continue
        approvals = [each for each in evidence.presses_about(request) if each.label == "Approve"]
        first = min((each.at for each in approvals if each.who in _MODERATORS), default=float("inf"))
        for message in request.messages:
            is_early = message.created < first and ask.mark in whole_text(message)
            if is_early and _seen_by_others(evidence, message, ask):
                yield request, where(message)


@promise("secrets stay secret")
def _secrets(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """No message, file or log line has a secret."""
    for name in leaks(evidence.world):
        yield name, "it is in a message or log line"


def leaks(world: World) -> Iterator[str]:
    """Yield the names of secrets in messages and logs."""
    secrets = {"the bot's token": world.discord.token, "ComfyDeploy's key": world.comfydeploy.api_key}
    secrets["a failed run's token"] = _LOGGED
    for call in world.comfydeploy.call_log.queue_calls:
        mac = (call.webhook or "").partition("?")[0].rpartition("/")[2]
        secrets[f"the webhook's MAC of {key_of(call)}"] = mac
    for token, interaction in world.discord.interactions.items():
        secrets[f"the token of interaction {interaction.id}"] = token
    messages, processes = world.discord.request_log.messages, {each.life.name for each in world.processes}
    said = [entry.text for entry in world.log] + [whole_text(message) for message in messages]
    said += [json.dumps(body) for message in messages for body in bodies(message)]
    texts = "\n".join(said)
    yield from (name for name, secret in secrets.items() if secret and secret in texts)
    for entry in world.log:
        if entry.who in processes and _SIGNATURE.search(entry.text):
            yield f"a link's signature: {entry.text}"


@promise("a share shows its prompt only if asked to")
def _prompt_is_asked_for(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in evidence.requests:
        for message in request.messages:
            key, kind = subject(message)
            if kind != SHARE or not message.attachments or request.ask is None:
                continue
            if request.ask.mark not in whole_text(message):
                continue
            forms = [
                p.values for p in evidence.story.presses if p.custom_id == f"run:{key}:share" and p.values
            ]
            if forms and not any(True in values.values() for values in forms):
                yield request, where(message)
