"""Promises: nobody sees private results, hidden prompts, requests before their approval, or secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.fakediscord.world import Message
from tests.simulation.evidence import Evidence, bodies, has_offered, key_of, keys_of, whole_text
from tests.simulation.promises.copies import is_copy
from tests.simulation.promises.facts import SHARE, meant, subject
from tests.simulation.promises.shared import MODERATORS, Broken, reader_of, seen_by_others, text_in, where
from tests.simulation.story import Ask, Press

# Parts of a failed run's log: the error, a token, and the webhook's URL.
_ERROR, _TOKEN, _WEBHOOK = "mat1 and mat2", "hf_notForPeople123", "/webhooks/comfydeploy"
# Words of refusals that may be public.
_TOLD_TO_ALL = ("answered this privately", "database")


def always(evidence: Evidence) -> Iterator[Broken]:
    yield from _leaks(evidence)
    yield from _shown_before_approval(evidence)
    yield from _secrets(evidence)


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for message in evidence.messages:
        yield from _log_is_read_by_few(evidence, message)
    for press in evidence.story.presses:
        yield from _prompt_stays_hidden(evidence, press)
    yield from _refused_in_private(evidence)


def _leaks(evidence: Evidence) -> Iterator[Broken]:
    """Only the requester and moderators see a private result and its prompt."""
    cards = {message.id for message in evidence.messages if evidence.is_card(message)}
    for request in evidence.requests:
        if request.ask is None or not request.ask.private:
            continue
        for message in request.messages:
            if message.id not in cards and seen_by_others(message, request.ask):
                yield Broken("private results stay private", request, where(message))
    # A repeated request has the mark of the first one, who decides whether it is private.
    first = {ask.mark: ask for ask in reversed(evidence.story.asks)}
    for ask in first.values():
        if not ask.private or _is_told_elsewhere(evidence, ask):
            continue
        for message in evidence.messages:
            overseen = message.id not in cards and seen_by_others(message, ask)
            if overseen and ask.mark in whole_text(message).split():
                yield Broken("private prompts stay private", f"request {ask.number}", where(message))


def _is_told_elsewhere(evidence: Evidence, ask: Ask) -> bool:
    """Return whether a private prompt was published on purpose, by a public request or a preset."""
    saved = any(
        command.name.startswith("preset") and command.who == ask.who for command in evidence.story.commands
    )
    return saved or any(other.mark == ask.mark and not other.private for other in evidence.story.asks)


def _shown_before_approval(evidence: Evidence) -> Iterator[Broken]:
    """Nobody but the requester and moderators sees a request before its approval."""
    # Approve may be pressed several times; the earliest press counts.
    approved = {
        key: press.at
        for press in reversed(evidence.story.presses)
        if press.label == "Approve" and press.who in MODERATORS
        for key in keys_of(press.message)
    }
    for request in evidence.requests:
        cards = [message for message in request.messages if evidence.is_card(message)]
        if request.ask is None or not any(has_offered(card, ":approve") for card in cards):
            continue
        first = min((approved[key] for key in request.keys if key in approved), default=float("inf"))
        for message in request.messages:
            if message in cards or message.created >= first or not seen_by_others(message, request.ask):
                continue
            if request.ask.mark in whole_text(message):
                yield Broken("nobody sees a request before its approval", request, where(message))


def _secrets(evidence: Evidence) -> Iterator[Broken]:
    """No message, file, log line or metric has a secret."""
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


def _log_is_read_by_few(evidence: Evidence, message: Message) -> Iterator[Broken]:
    """Only the requester, moderators and the owner read a run's error, and nobody its log's secrets."""
    text = whole_text(message) + "".join(map(text_in, message.attachments))
    if _TOKEN in text or _WEBHOOK in text:
        yield Broken("secrets stay secret", where(message), "a token or webhook of the log is shown")
    if _ERROR not in text or reader_of(message) in MODERATORS:
        return
    about = [ask for ask in evidence.story.asks_of(message) if ask.who == reader_of(message)]
    source = message.interaction.source if message.interaction is not None else None
    about += evidence.story.asks_of(source) if source is not None else []
    if not any(ask.who == reader_of(message) for ask in about):
        yield Broken("only the requester and moderators read why a run failed", where(message), text[:80])


def _prompt_stays_hidden(evidence: Evidence, press: Press) -> Iterator[Broken]:
    """A share's hidden prompt stays hidden in the answers to presses below it."""
    shown = meant(press)
    key, kind = subject(shown)
    if kind != SHARE or not is_copy(shown) or press.rights & {"requester", "manages_server", "reviews"}:
        return
    ask = next((each.ask for each in evidence.requests if key in each.keys), None)
    if ask is None or ask.who == press.who or ask.mark in whole_text(shown):
        return
    sent = press.interaction
    texts = [whole_text(m) for m in (sent.original, *sent.followups) if m is not None and m is not shown]
    if ask.mark in "\n".join([*texts, str(sent.modal or "")]):
        yield Broken("a share's hidden prompt stays hidden", f"request {ask.number}", f"from {press.who}")


def _refused_in_private(evidence: Evidence) -> Iterator[Broken]:
    """A refusal is private, unless everybody has seen the status before it."""
    for ask in evidence.story.asks:
        shown, told = ask.interaction.original, evidence.told_no(ask)
        if shown is None or shown.ephemeral or not told or ask.interaction.channel.guild is None:
            continue
        if not any(words in told for words in _TOLD_TO_ALL):
            yield Broken("a refusal is private", f"request {ask.number}", told[:80])
