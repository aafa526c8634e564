"""Helpers for checks: when something happened, what a press did, and what a message is about."""

from __future__ import annotations

import re
from collections.abc import Iterator

from demo.fake_comfydeploy.runs import Run
from tests.fakediscord.interactions import Answer
from tests.fakediscord.world import Channel, Message
from tests.simulation.engine.patches import EPOCH
from tests.simulation.evidence import bodies, text_of
from tests.simulation.story import Ask, Press, Story, first_text

_UPTIME = 1_000.0
_NONCE = re.compile(r"([a-z2-7]{16})-([a-z])")
_RUN_ID = re.compile(r"(?:run|share|delete):([a-z0-9]{4,20})(?::([a-z]*)[\d:]*[\da-f]*)?")
_JUMP = re.compile(r"all clocks jump by ([\d.e+]+) s")
_MARK = re.compile(r"#(\w+) is (not )?age-restricted now")
_REREAD = "reloaded the deployments"
_FILE = re.compile(r"deployments\.toml(?:: (.*)| is as before)")
# The deployments that each file of `trouble/places.py` age-restricts; None stands for all.
_MARKED = {"all are age-restricted": None, "picture is age-restricted": frozenset({"picture", "restricted"})}
# Letters of message kinds in the bot's nonces.
OUTCOMES = ("o", "l")
POST, SHARE, REPORT_CARD, REVIEW_CARD, PICTURES_CARD = "s", "g", "p", "r", "c"
# What an outcome says about outputs that a moderator or the rules have hidden, or that wait.
HIDDEN = ("Not shown, because of this server's picture check",)
WAITS = ("Waiting for a moderator",)


def monotonic(wall: float) -> float:
    """Convert a Unix time to the round's monotonic time."""
    return wall - EPOCH + _UPTIME


def created(run: Run) -> float:
    """Return the monotonic time at which ComfyDeploy created a run."""
    return monotonic(run.created_at.timestamp())


def ended(run: Run) -> float:
    """Return the monotonic time of a run's end, or infinity."""
    return float("inf") if run.ended_at is None else monotonic(run.ended_at.timestamp())


def deleted(message: Message) -> float:
    """Return the monotonic time of a message's deletion, or infinity."""
    return float("inf") if message.deleted_at is None else monotonic(message.deleted_at)


def subject(message: Message) -> tuple[str, str]:
    """Return the run key and the letter of the kind in a message's nonce, or two empty texts."""
    found = _NONCE.match(message.nonce or "")
    return (found[1], found[2]) if found else ("", "")


def pressed(press: Press) -> tuple[str, str]:
    """Return the run key and the action in a press's custom_id, or two empty texts."""
    found = _RUN_ID.fullmatch(press.custom_id)
    if found is None:
        return "", ""
    return found[1], found[2] or press.custom_id.partition(":")[0]


def chosen(press: Press, action: str = "") -> str:
    """Return the key of the request whose button in /runs or /audit was pressed, or an empty text."""
    kind, *rest = press.custom_id.split(":")
    return rest[-1] if kind in ("runs", "auditopen") and action in ("", *rest[-2:-1]) else ""


def meant(press: Press) -> Message:
    """Return the message that a press is about: the one whose *More* or number opened the pressed message."""
    message = press.message
    while message.ephemeral and message.interaction is not None and message.interaction.source is not None:
        message = message.interaction.source
    return message


def reply(press: Press) -> str:
    """Return the first text of the answer to a press, or an empty text without one."""
    sent = press.interaction
    if sent.answer_type in (Answer.MESSAGE, Answer.DEFERRED):
        return first_text(sent)
    edited = sent.original
    if sent.answer_type is Answer.DEFERRED_UPDATE and edited is not None and edited.ephemeral:
        return edited.text
    return "\n".join(message.text for message in sent.followups)


def deletes_result(press: Press) -> bool:
    """Return whether a press was confirmed as the deletion of a result with files."""
    told = reply(press).startswith(("Deleted.", "It will be deleted in a moment."))
    return pressed(press)[1] == "delete" and told and bool(meant(press).attachments)


def answered(press: Press) -> float:
    return float("inf") if press.interaction.answered_at is None else press.interaction.answered_at


def all_texts(message: Message) -> Iterator[str]:
    """Yield each text that a message has ever shown."""
    yield from map(text_of, bodies(message))


def accepted(ask: Ask) -> float:
    """Return the latest time at which a request can have been accepted."""
    shown = ask.interaction.original
    return ask.at if shown is None else next(iter(shown.replaced), shown.created)


class Clock:
    """Converts monotonic times to times without the round's jumps, in which waits have their real length."""

    def __init__(self, story: Story) -> None:
        found = ((entry.at, _JUMP.search(entry.text)) for entry in story.world.log if entry.who == "trouble")
        self._jumps = [(at, float(match[1])) for at, match in found if match]

    def steady(self, at: float) -> float:
        # A jump's entry has the time after it, and ComfyDeploy's times are truncated to milliseconds.
        return at - sum(by for when, by in self._jumps if when <= at + 0.002)


class Marks:
    """The times at which channels were age-restricted."""

    def __init__(self, story: Story) -> None:
        self._channels = story.world.cast.channels
        self._clock = Clock(story)
        self._changes = [
            (at, match[1], match[2] is None) for at, what in story.struck if (match := _MARK.fullmatch(what))
        ]

    def always(self, channel: Channel, before: float, after: float, at: float) -> bool | None:
        """Return a channel's age restriction from `before` seconds before a time to `after` seconds after it.

        Returns None if it changed in between, or if the channel isn't one of a server.
        """
        place = channel.parent or channel
        name = next((name for name, each in self._channels.items() if each is place), None)
        if name is None or place.guild is None:
            return None
        steady = self._clock.steady(at)
        marked, changed = name == "adult", False
        for when, where, mark in self._changes:
            moment = self._clock.steady(when)
            if where == name and moment <= steady + after:
                changed |= moment >= steady - before
                marked = mark
        return None if changed else marked


class DeploymentMarks:
    """The times at which the bot certainly knew a deployment's age restriction, if it is one process."""

    def __init__(self, story: Story) -> None:
        reread = [entry.at for entry in story.world.log if _REREAD in entry.text]
        files = [(at, match[1]) for at, what in story.struck if (match := _FILE.match(what))]
        self._known: list[tuple[float, float, frozenset[str] | None]] = []
        """Beginning and end of the bot's knowledge of a file, and the deployments that it age-restricts."""
        if len(story.world.layout) > 1:
            return
        starts = [at for at, _ in files] + [float("inf")]
        self._known.append((0.0, starts[0], frozenset({"restricted"})))
        for (at, what), end in zip(files, starts[1:], strict=True):
            since = next((moment for moment in reread if at < moment < end), end)
            self._known.append((since, end, _MARKED.get(what, frozenset())))

    def certain(self, deployment: str, at: float, before: float = 0.0) -> bool:
        """Return whether the bot knew a restriction at a time and for the `before` seconds before it."""
        return any(
            since <= at - before and at < end and (marked is None or deployment in marked)
            for since, end, marked in self._known
        )
