"""Decide what may be shown of a run's outputs, once a checker has looked at them.

A verdict is stored with its run when the outputs are checked. Later changes of the rules don't change it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple


class Label(StrEnum):
    """A label that a checker gives a picture with a score. docs/moderation.md explains them."""

    EXPLICIT = "explicit"
    NUDITY = "nudity"
    SUGGESTIVE = "suggestive"


# A picture has a label from this score on.
THRESHOLD: Final = 0.5
# The label of a text that the server's word rules forbid, and of what couldn't be checked.
FORBIDDEN_WORD, UNKNOWN = "forbidden word", "couldn't be checked"
Labels = frozenset[str] | None
"""The labels of an output. None means that it couldn't be checked."""
Verdicts = Mapping[str, Sequence[str]]
"""The verdict on an output, then its labels, by the output's number in its run. A missing one is shown."""


class Flagged(StrEnum):
    """What happens to flagged outputs, from the mildest to the strictest."""

    OFF = "off"
    SPOILER = "spoiler"
    HOLD = "hold"
    HIDE = "hide"


class Level(StrEnum):
    """Which labels flag a picture, from the strictest to the mildest."""

    STRICT = "strict"
    NORMAL = "normal"
    EXPLICIT = "explicit"


_FLAGGING: Mapping[Level, frozenset[Label]] = {
    Level.STRICT: frozenset(Label),
    Level.NORMAL: frozenset({Label.EXPLICIT, Label.NUDITY}),
    Level.EXPLICIT: frozenset({Label.EXPLICIT}),
}


class Verdict(StrEnum):
    """What may be done with an output. HELD waits for a moderator."""

    SHOW = "show"
    SPOILER = "spoiler"
    HELD = "held"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Check:
    """What the rules say about one run. `can_hold` means that moderators can be asked."""

    flagged: Flagged
    level: Level
    can_hold: bool
    holds_unknown: bool

    def verdict(self, labels: Labels) -> Verdict:
        if self.flagged is Flagged.OFF:
            return Verdict.SHOW
        if labels is None:
            if not self.holds_unknown:
                return Verdict.SHOW
            return Verdict.HELD if self.can_hold and self.flagged is not Flagged.SPOILER else Verdict.SPOILER
        if not labels & {*_FLAGGING[self.level], FORBIDDEN_WORD}:
            return Verdict.SHOW
        if self.flagged is Flagged.SPOILER:
            return Verdict.SPOILER
        return Verdict.HELD if self.flagged is Flagged.HOLD and self.can_hold else Verdict.HIDDEN


def verdicts_on(found: Mapping[int, Labels], check: Check) -> dict[str, list[str]]:
    """Return the verdicts on the outputs with these labels, apart from those that are simply shown."""
    judged = {number: (check.verdict(labels), labels) for number, labels in found.items()}
    return {
        str(number): [verdict, *(sorted(labels) if labels is not None else [UNKNOWN])]
        for number, (verdict, labels) in judged.items()
        if verdict is not Verdict.SHOW
    }


class PictureDecision(NamedTuple):
    """A decision about everything of a request that is held, with the audit log's words for it.

    `moderator_id` is None if nobody decided. `unknown` is the verdict on what couldn't be checked.
    """

    moderator_id: int | None
    verdict: Verdict
    unknown: Verdict
    told: str


NOBODY_DECIDED: Final = PictureDecision(
    None, Verdict.HIDDEN, Verdict.HIDDEN, "deleted, because nobody decided in time"
)
# As where there is no review channel.
UNREACHABLE: Final = PictureDecision(
    None, Verdict.HIDDEN, Verdict.SPOILER, "decided by the rules, because the review channel can't be reached"
)


def decision_by(moderator_id: int, verdict: Verdict) -> PictureDecision:
    told = {Verdict.SHOW: "posted", Verdict.SPOILER: "posted as a spoiler"}.get(verdict, "deleted")
    return PictureDecision(moderator_id, verdict, verdict, told)


def decided(verdicts: Verdicts, decision: PictureDecision) -> dict[str, list[str]]:
    """Return the verdicts after a decision."""
    after = dict[str, list[str]]()
    for number, (first, *labels) in verdicts.items():
        verdict = decision.unknown if UNKNOWN in labels else decision.verdict
        after[number] = [verdict if first == Verdict.HELD else first, *labels]
    return after


def numbers_with(verdicts: Verdicts | None, *some: Verdict) -> list[int]:
    return [int(number) for number, (first, *_) in (verdicts or {}).items() if first in some]


def labels_of(verdicts: Verdicts | None, numbers: Collection[int]) -> list[str]:
    """Return the labels of these outputs, each once."""
    found = (label for number in sorted(numbers) for label in (verdicts or {})[str(number)][1:])
    return list(dict.fromkeys(found))
