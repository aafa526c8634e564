"""Promises about logs, hidden prompts and /runs."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakediscord.world import Message
from tests.simulation.evidence import Evidence, Request, whole_text
from tests.simulation.promises.copies import is_copy
from tests.simulation.promises.facts import SHARE, answered, meant, pressed, reply, subject
from tests.simulation.promises.shared import MODERATORS, Broken, erased, text_in, where
from tests.simulation.story import Press

# Parts of a failed run's log: the error, a token, and the webhook's URL.
_ERROR, _TOKEN, _WEBHOOK = "mat1 and mat2", "hf_notForPeople123", "/webhooks/comfydeploy"
_LOG_READ = 30.0
# The least number of requests on a page of /runs.
_LISTED = 4


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for message in evidence.messages:
        yield from _log_is_read_by_few(evidence, message)
    for request in evidence.requests:
        yield from _is_listed(evidence, request)
        yield from _reason_is_told(evidence, request)
    for press in evidence.story.presses:
        yield from _prompt_stays_hidden(evidence, press)


def _reader(message: Message) -> str:
    """Return the only reader of a message, or an empty text if it is public."""
    if message.ephemeral and message.interaction is not None:
        return message.interaction.user.name
    recipient = message.channel.recipient
    return recipient.name if recipient is not None else ""


def _log_is_read_by_few(evidence: Evidence, message: Message) -> Iterator[Broken]:
    """Check that only the requester, moderators and the owner read a log's error, and nobody its secrets."""
    text = whole_text(message) + "".join(map(text_in, message.attachments))
    if _TOKEN in text or _WEBHOOK in text:
        yield Broken("secrets stay secret", where(message), "a token or webhook of the log is shown")
    if _ERROR not in text or _reader(message) in MODERATORS:
        return
    about = [ask for ask in evidence.story.asks_of(message) if ask.who == _reader(message)]
    source = message.interaction.source if message.interaction is not None else None
    about += evidence.story.asks_of(source) if source is not None else []
    if not any(ask.who == _reader(message) for ask in about):
        yield Broken("only the requester and moderators read why a run failed", where(message), text[:80])


def _reason_is_told(evidence: Evidence, request: Request) -> Iterator[Broken]:
    if evidence.story.struck or request.ask is None or len(request.runs) != 1 or not request.runs[0].log:
        return
    ended = max((m.created for m in evidence.outcomes(request)), default=float("inf"))
    for press in evidence.story.presses:
        mine = press.who == request.ask.who and pressed(press) == (request.key, "details")
        if mine and answered(press) > ended + _LOG_READ and "hit an error. I don't know" in reply(press):
            yield Broken("a failure's reason is shown", request, reply(press)[:80])


def _is_listed(evidence: Evidence, request: Request) -> Iterator[Broken]:
    ask, story = request.ask, evidence.story
    if ask is None or ask.how != "generate" or erased(evidence, request) or not request.calls:
        return
    if sum(other.who == ask.who for other in story.asks) > _LISTED or "prompt" not in ask.options:
        return
    removed = story.had("is removed")
    lists = story.lists.get(ask.who, [])
    if any(p.custom_id.startswith("set:record") for p in story.presses) or removed or not lists:
        return
    if not any(ask.mark in text for text in lists):
        yield Broken("/runs lists every kept request", request, f"/runs of {ask.who} has no {ask.mark}")


def _prompt_stays_hidden(evidence: Evidence, press: Press) -> Iterator[Broken]:
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
