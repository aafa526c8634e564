"""Promises: nobody does what they have no right to, and runs obey the settings and deployments of today."""

from __future__ import annotations

from collections.abc import Iterator

from demo.fake_comfydeploy.call_log import QueueCall
from tests.fakediscord.world import Attachment
from tests.simulation.evidence import Evidence, Request, keys_of, text_of
from tests.simulation.promises.facts import deleted, monotonic, pressed, reply
from tests.simulation.promises.shared import Broken, cancelled
from tests.simulation.story import Press

_REPEATED = ("again", "vary", "together", "edit", "forged again", "forged edit")
_SURE = 10.0
# Answers to a press that was refused before its action was read.
_TOLD = ("This doesn't belong to this message", "I can't reach my database", "Something went wrong")
_BLOCKED = "can't generate"
# Seconds after which every process has read a changed deployments.toml.
_REREAD = 5.0
_GONE, _RESTORED = "deployments.toml: choices are gone", "deployments.toml"
_CANCELLED = ("You cancelled this request", "A moderator cancelled this request")


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for request in evidence.requests:
        yield from _cancelled_with_right(evidence, request)
        yield from _starts_from_what_is_seen(evidence, request)
        for call in request.calls:
            yield from _still_offered(evidence, request, call)
    for press in evidence.story.presses:
        yield from _on_another_message(evidence, press)
        yield from _fetched_for_nobody(evidence, press)


def _on_another_message(evidence: Evidence, press: Press) -> Iterator[Broken]:
    key, sent = pressed(press)[0], press.interaction
    own = next((request for request in evidence.requests if key in request.keys), None)
    if not press.forged or press.message.ephemeral or own is None or press.message in own.messages:
        return
    if sent.modal is not None or (reply(press) and not reply(press).startswith(_TOLD)):
        yield Broken(
            "a press acts only on its own message's request",
            own,
            f"{press.custom_id}: {reply(press)[:80]!r}",
        )


def _cancelled_with_right(evidence: Evidence, request: Request) -> Iterator[Broken]:
    told = any(word in text_of(m.body) for m in evidence.outcomes(request) for word in _CANCELLED)
    if told and not cancelled(evidence, request):
        by = [press.who for press in evidence.story.presses if keys_of(press.message) & request.keys]
        yield Broken("strangers change nothing", request, f"cancelled; only {by} pressed")


def _starts_from_what_is_seen(evidence: Evidence, request: Request) -> Iterator[Broken]:
    """Check that nobody's request is made from another person's private or deleted result."""
    ask = request.ask
    if ask is None or ask.parent is None or not request.calls:
        return
    source = evidence.story.asks[ask.parent]
    if source.who == ask.who:
        return
    if source.private:
        yield Broken("nobody starts from a private result", request, f"of {source.who}, by {ask.who}")
    # Only the files of the pressed run count, because other runs of a batch may have made none.
    pressed_id = str(ask.interaction.data.get("custom_id", ""))
    files = [
        message
        for other in evidence.requests
        if other.ask is source
        for message in other.messages
        for key in other.keys
        if key in pressed_id and any(key in each.filename for each in message.attachments)
    ]
    left = [m for m in files if m not in evidence.story.removed and not evidence.is_card(m)]
    if ask.how in _REPEATED and left and all(deleted(message) < ask.at - _SURE for message in left):
        yield Broken("nobody starts from a deleted result", request, f"of {source.who}, by {ask.who}")


def _still_offered(evidence: Evidence, request: Request, call: QueueCall) -> Iterator[Broken]:
    style = request.ask.options.get("style") if request.ask is not None else None
    changes = [
        (at, what)
        for at, what in evidence.story.struck
        if what.startswith(_RESTORED) and at < monotonic(call.at)
    ]
    if not style or not changes or "reloaded" not in "".join(e.text for e in evidence.story.world.log):
        return
    at, what = changes[-1]
    if what == _GONE and at + _REREAD < monotonic(call.at):
        yield Broken("a removed choice isn't started", request, f"style {style}")


def _fetched_for_nobody(evidence: Evidence, press: Press) -> Iterator[Broken]:
    """Check that the bot fetches no files of a blocked person."""
    fetched = set(evidence.story.world.discord.fetched)
    files = [each for each in (press.values or {}).values() if isinstance(each, Attachment)]
    if any(file.id in fetched for file in files) and _is_blocked(evidence, press):
        yield Broken("a blocked person's files aren't fetched", press.custom_id, f"of {press.who}")


def _is_blocked(evidence: Evidence, press: Press) -> bool:
    """Return whether a person was certainly blocked when they submitted a form on a server."""
    story, guild = evidence.story, press.message.channel.guild
    if guild is None or any("unblock" in name for _, name, *_ in story.commands):
        return False
    if any(other.label == "Unblock" for other in story.presses):
        return False
    return any(
        command.name == "block"
        and command.interaction.channel.guild is guild
        and command.options.get("user") is story.world.person(press.who)
        and _BLOCKED in command.interaction.text
        and (command.interaction.answered_at or press.at) < press.at
        for command in story.commands
    )
