"""What the audit log, /usage and the word rules say is so."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from demo.fake_comfydeploy.runs import Run
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Guild
from tests.simulation.evidence import Evidence
from tests.simulation.promises.ceilings import may_be_executed
from tests.simulation.promises.facts import monotonic, reply
from tests.simulation.promises.shared import Broken
from tests.simulation.story import Command, first_text

_FORBIDDEN = "has a word that this server blocks"
_RULES = "/guilds/{guild_id}/auto-moderation/rules"
_FRESH = 3600.0 + 60.0
_RUNNING = re.compile(r"Running: (\d+)")
_WAITING = re.compile(r"Waiting: (\d+)")
_SECONDS = re.compile(r"GPU seconds: (\d+)")
# What the bot reserves for a run, in seconds, unless it knows the durations of so many successes.
_RESERVE, _NEEDED = 60.0, 5
# When the first day of a round ends.
_MIDNIGHT = 30_000.0
# How much shorter than it was a run may seem to the bot, which learns of its start late.
_LATE = 5.0


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    yield from _refusals(evidence)
    yield from _usage(evidence)
    yield from _stale_rules(evidence)


def _rows(evidence: Evidence, place: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(evidence.story.records[place])))


def _refusals(evidence: Evidence) -> Iterator[Broken]:
    """A request that was refused for its words is in the audit log of its server."""
    story = evidence.story
    if any(press.custom_id.startswith("set:record:form") for press in story.presses):
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
            if not _may_hide_prompts(evidence, name) and any(_lacks_prompt(row) for row in mine):
                yield Broken("a refused prompt is in the audit log", name, "a line has no prompt")


def _lacks_prompt(row: dict[str, str]) -> bool:
    return row["outcome"] == "blocked word" and not row["prompt"]


def _may_hide_prompts(evidence: Evidence, name: str) -> bool:
    """Return whether a person made a private request, shared a result or deleted their data."""
    story = evidence.story
    private = any(ask.who == name and ask.private for ask in story.asks)
    shared = any(press.who == name and "share" in press.custom_id for press in story.presses)
    return private or shared or any(c.who == name and c.name == "privacy delete" for c in story.commands)


def _usage(evidence: Evidence) -> Iterator[Broken]:
    """Runs that are under way count towards the GPU seconds of the day, and so do those that have ended.

    What became of these doesn't matter: their requests may have been erased or removed since.
    """
    if any("clock is set" in what for _, what in evidence.story.struck):
        return
    for command in evidence.story.commands:
        text = first_text(command.interaction).partition("### The whole")[0]
        found = [pattern.search(text) for pattern in (_RUNNING, _WAITING, _SECONDS)]
        if command.name != "usage" or command.at > _MIDNIGHT or not all(found):
            continue
        running, waiting, seconds = (int(match[1]) for match in found if match)
        reserve = _least_reserve(evidence, command.at)
        if command.interaction.channel.guild is evidence.story.world.cast.guilds["reviewed"]:
            waiting = 0  # nothing is reserved before an approval
        if seconds < int(reserve * (running + waiting)):
            detail = f"{running} running, {waiting} waiting, {seconds} s"
            yield Broken("unfinished runs count towards the day", command.who, detail)
        used = _least_used(evidence, command, reserve)
        if seconds < int(used):
            yield Broken(
                "no run of the day is forgotten", command.who, f"{used:.0f} s used, {seconds} s told"
            )


def _least_reserve(evidence: Evidence, at: float) -> float:
    """Return the least that a run may have reserved by a time: the median of durations, if that is known."""
    ended = [run for run in evidence.story.world.comfydeploy.runs if run.status == "success"]
    took = [_seconds(run, at) for run in ended]
    return min([_RESERVE, *took]) if len(took) >= _NEEDED else _RESERVE


def _server(interaction: Interaction) -> Guild | None:
    """Return the server that an interaction counts for: none for the bot of a user's own account."""
    return None if interaction.user_install else interaction.channel.guild


def _least_used(evidence: Evidence, command: Command, reserve: float) -> float:
    """Return the GPU seconds that a person's runs on a server have used at least, by a time."""
    used, home = 0.0, _server(command.interaction)
    for request in evidence.requests:
        ask = request.ask
        if ask is None or ask.who != command.who or _server(ask.interaction) is not home:
            continue
        runs = {run.id: run for run in request.runs}
        for call in filter(may_be_executed, request.calls):
            if monotonic(call.at) < command.at:
                own = [_seconds(runs[run_id], command.at) for run_id in call.run_ids if run_id in runs]
                used += min(reserve, *own) if own else reserve
    return used


def _seconds(run: Run, at: float) -> float:
    """Return how long a run was executing by a time, as the bot sees it at least."""
    if run.started_at is None:
        return 0.0
    ended = at if run.ended_at is None else min(at, monotonic(run.ended_at.timestamp()))
    return max(0.0, ended - monotonic(run.started_at.timestamp()) - _LATE)


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
