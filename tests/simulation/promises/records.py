"""Promises about the audit log's content, and about the word rules that prompts are checked with."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator

from tests.simulation.evidence import Evidence
from tests.simulation.promises.facts import reply
from tests.simulation.promises.shared import Broken
from tests.simulation.story import first_text

_FORBIDDEN = "has a word that this server blocks"
_RULES = "/guilds/{guild_id}/auto-moderation/rules"
_FRESH = 3600.0 + 60.0
_FORMULA = re.compile(r"[;|\t\r\n][\s\"]*[=@]")
_CANCELS = ("cancel", "Cancellation")


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    yield from _refusals(evidence)
    yield from _stale_rules(evidence)
    for place, text in evidence.story.records.items():
        if found := _FORMULA.search(text):
            yield Broken(
                "no cell of an export is a formula", place, repr(text[found.start() - 20 : found.end() + 20])
            )
        yield from _private_prompts(evidence, place, text)
        yield from _cancelled_once(evidence, place)


def _private_prompts(evidence: Evidence, place: str, text: str) -> Iterator[Broken]:
    marks = [ask.mark for ask in evidence.story.asks]
    for ask in evidence.story.asks:
        alone = ask.private and marks.count(ask.mark) == 1 and _FORBIDDEN in ask.interaction.text
        if alone and re.search(rf"\b{ask.mark}\b", text):
            yield Broken("a refused private prompt isn't kept", f"request {ask.number}", f"in #{place}")


def _cancelled_once(evidence: Evidence, place: str) -> Iterator[Broken]:
    lines = Counter(row["person"] for row in _rows(evidence, place) if row["action"] in _CANCELS)
    for name, person in evidence.story.world.cast.people.items():
        own = sum(ask.who == name or ask.parent is not None for ask in evidence.story.asks)
        if lines[f"<@{person.id}>"] > own:
            yield Broken(
                "each cancellation is in the audit log once", name, f"{lines[f'<@{person.id}>']} lines"
            )


def _rows(evidence: Evidence, place: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(evidence.story.records[place])))


def _refusals(evidence: Evidence) -> Iterator[Broken]:
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
    """Return whether the audit log may lack a person's prompts: they were private, shared or deleted."""
    story = evidence.story
    private = any(ask.who == name and ask.private for ask in story.asks)
    shared = any(press.who == name and "share" in press.custom_id for press in story.presses)
    return private or shared or any(c.who == name and c.name == "privacy delete" for c in story.commands)


def _stale_rules(evidence: Evidence) -> Iterator[Broken]:
    story = evidence.story
    studio = story.world.cast.guilds["studio"]
    if any("set:words" in press.custom_id for press in story.presses):
        return
    if story.had("clock is set", "is removed"):
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
                "prompts are checked by recent AutoMod rules",
                request,
                f"they were {ask.at - latest:.0f} s old",
            )
