"""What the audit log, /usage and the word rules say is so."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from tests.simulation.evidence import Evidence
from tests.simulation.promises.facts import reply
from tests.simulation.promises.shared import Broken
from tests.simulation.story import first_text

_FORBIDDEN = "contains something that this server doesn't allow"
_RULES = "/guilds/{guild_id}/auto-moderation/rules"
_FRESH = 3600.0 + 60.0
_RUNNING = re.compile(r"Running: (\d+)")
_WAITING = re.compile(r"Waiting: (\d+)")
_SECONDS = re.compile(r"GPU seconds: (\d+)")
# What the bot reserves for a run, in seconds, and when the first day of a round ends.
_RESERVE, _MIDNIGHT = 60, 30_000.0


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    yield from _refusals(evidence)
    yield from _usage(evidence)
    yield from _stale_rules(evidence)


def _rows(evidence: Evidence, place: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(evidence.story.records[place])))


def _refusals(evidence: Evidence) -> Iterator[Broken]:
    """A request that was refused for its words is in the audit log of its server."""
    story = evidence.story
    if any(press.custom_id.startswith("set:record:retention") for press in story.presses):
        return
    for place in story.records:
        guild, rows = story.world.channel(place).guild, _rows(evidence, place)
        for name, person in story.world.cast.people.items():
            texts = [
                first_text(c.interaction)
                for c in story.commands
                if c.who == name and c.interaction.channel.guild is guild
            ]
            texts += [
                reply(p) for p in story.presses if p.who == name and p.interaction.channel.guild is guild
            ]
            refused = sum(_FORBIDDEN in text for text in texts)
            mine = [
                row
                for row in rows
                if row["action"] in ("refusal", "Refused at once") and row["person"] == f"<@{person.id}>"
            ]
            if len(mine) < refused:
                yield Broken(
                    "a refused prompt is in the audit log", name, f"{refused} refusals, {len(mine)} lines"
                )


def _usage(evidence: Evidence) -> Iterator[Broken]:
    """The runs that are under way count towards the GPU seconds of the day."""
    if any("clock is set" in what for _, what in evidence.story.struck):
        return
    for command in evidence.story.commands:
        text = first_text(command.interaction).partition("### The whole")[0]
        found = [pattern.search(text) for pattern in (_RUNNING, _WAITING, _SECONDS)]
        if command.name != "usage" or command.at > _MIDNIGHT or not all(found):
            continue
        running, waiting, seconds = (int(match[1]) for match in found if match)
        if seconds < _RESERVE * (running + waiting):
            detail = f"{running} running, {waiting} waiting, {seconds} s"
            yield Broken("unfinished runs count towards the day", command.who, detail)


def _stale_rules(evidence: Evidence) -> Iterator[Broken]:
    """A request's words are judged by rules that were read within the last hour."""
    story = evidence.story
    studio = story.world.cast.guilds["studio"]
    if any("set:words" in press.custom_id for press in story.presses):
        return
    if any("clock is set" in what or "is removed" in what for _, what in story.struck):
        return
    read = [
        c.at
        for c in story.world.discord.request_log.calls("GET", _RULES)
        if c.status == 200 and str(studio.id) in c.path
    ]
    for request in evidence.requests:
        ask = request.ask
        if ask is None or ask.how != "generate" or ask.interaction.channel.guild is not studio:
            continue
        if "prompt" not in ask.options or evidence.told_no(ask) or not request.calls:
            continue
        answered = ask.interaction.answered_at or ask.at
        latest = max((at for at in read if at <= answered + 5), default=float("-inf"))
        if ask.at - latest > _FRESH:
            yield Broken(
                "words are judged by fresh rules", str(request), f"they were {ask.at - latest:.0f} s old"
            )
