"""Moderators' cards and the messages about their decisions, for the snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.deployments.input_text import ShownInputs
from bot.domain.moderation import Report
from bot.domain.runs import REQUESTER_BLOCKED, Run, RunState
from bot.strings import say
from bot.ui.message_parts import FileKind, PreparedOutputs
from bot.ui.moderation import (
    closed_pictures_card,
    closed_report_card,
    decided_card,
    pictures_card,
    report_card,
    review_card,
    turned_away_letter,
)
from tests.unit.factories import made_run
from tests.unit.ui.messages import ASKED, KEY, file
from tests.unit.ui.snapshot import of_parts

S = RunState
TITLE = "Flux"
VALUES = [("prompt", "a fox"), ("style", "ink"), ("seed", "7")]
INPUTS = ShownInputs(tuple(VALUES), ())
FILES = (file(), file(2, FileKind.AUDIO, "wav"), file(3, FileKind.VIDEO, "mp4"))
TWELVE = tuple(file(number) for number in range(12))
LINK = "https://discord.com/channels/1/2/3"
UNTIL = int(ASKED.timestamp()) + 3600
REASON = {"reason": "no <@&5> *here*"}
REJECTED = {"failure_params": REASON, "decided_by": 5, "decided_at": ASKED}


def run(state: RunState = S.AWAITING_APPROVAL, **more: Any) -> Run:
    asked = {
        "requester_id": 175928847299117063,
        "channel_id": 22,
        "gpu": "H100",
        "prompt": "a fox",
        "reserved_seconds": 240,
        "review_channel_id": 99,
        "requester_joined_at": ASKED,
    }
    return made_run(state, key=KEY, **{**asked, **more})


def review(prepared: PreparedOutputs | None = None, values: Sequence[tuple[str, str]] = VALUES) -> str:
    shown = ShownInputs(tuple(values), ())
    return of_parts([review_card(run(), TITLE, shown, prepared or PreparedOutputs())])


def decided(state: RunState, **more: Any) -> str:
    return of_parts([decided_card(run(state, **more), TITLE, INPUTS)])


def notice(**more: Any) -> str:
    return of_parts([turned_away_letter(run(S.REJECTED, **more), TITLE)])


def ended_by_block(until: int, **more: int) -> dict[str, Any]:
    """Return the values of a run that a block ended."""
    of_block = {"failure_code": REQUESTER_BLOCKED, "failure_params": {**REASON, "until": until, **more}}
    return REJECTED | of_block


def report(people: Sequence[int], link: str | None, prepared: PreparedOutputs, note: str = "") -> str:
    reports = [Report(person, "Against this server's rules", note) for person in people]
    return of_parts([report_card(run(S.SUCCEEDED), TITLE, reports, link, prepared)])


def looked_at(person: int | None, decision: str) -> str:
    return of_parts([closed_pictures_card(run(S.SUCCEEDED), TITLE, (person, ASKED, {"decision": decision}))])


HELD = {"to_check": True, "verdicts": {"1": ["held", "explicit", "nudity"], "2": ["show"]}}


CARDS: Mapping[str, Callable[[], str]] = {
    "card": review,
    "card-long-prompt": lambda: review(values=[("prompt", "x" * 401)]),
    "card-many-inputs": lambda: review(values=[(f"input{n}", "x" * 150) for n in range(20)]),
    "card-several": lambda: of_parts([review_card(run(count=4), TITLE, INPUTS, PreparedOutputs())]),
    "card-files": lambda: review(PreparedOutputs(FILES, remarks=("big.png is too large",))),
    "card-files-twelve": lambda: review(PreparedOutputs(TWELVE)),
    "card-approved": lambda: decided(S.WAITING, decided_by=5, decided_at=ASKED),
    "card-approved-several": lambda: decided(S.WAITING, decided_by=5, decided_at=ASKED, count=4),
    "card-approved-cancelled": lambda: decided(S.CANCELLED, decided_by=5, decided_at=ASKED),
    "card-rejected": lambda: decided(S.REJECTED, **REJECTED),
    "card-blocked-for-ever": lambda: decided(S.REJECTED, **ended_by_block(0)),
    "card-blocked-until": lambda: decided(S.REJECTED, **ended_by_block(UNTIL)),
    "card-expired": lambda: decided(S.EXPIRED),
    "card-cancelled": lambda: decided(S.CANCELLED),
    "notice": lambda: notice(**REJECTED),
    "notice-blocked-for-ever": lambda: notice(**ended_by_block(0, others=1)),
    "notice-blocked-until": lambda: notice(**ended_by_block(UNTIL)),
    "notice-blocked-many": lambda: notice(**ended_by_block(UNTIL, others=2)),
    "notice-silent": lambda: notice(**REJECTED | {"failure_params": {"reason": ""}}),
    "pictures": lambda: of_parts(
        pictures_card([run(S.SUCCEEDED, **HELD)], TITLE, PreparedOutputs(FILES[:1]), withheld=False)
    ),
    "pictures-of-many": lambda: of_parts(
        pictures_card(
            [run(S.SUCCEEDED, index=index, count=2, **HELD) for index in range(2)],
            TITLE,
            PreparedOutputs(texts=("a rude | word",)),
            withheld=True,
        )
    ),
    "pictures-posted": lambda: looked_at(5, "posted as a spoiler"),
    "pictures-expired": lambda: looked_at(None, "deleted, because nobody decided in time"),
    "report": lambda: report([8], LINK, PreparedOutputs()),
    "report-note": lambda: report([8], LINK, PreparedOutputs(), "that is *my* face <@&5>"),
    "report-files": lambda: report([8], None, PreparedOutputs(FILES, texts=("a | fox",))),
    "report-of-many": lambda: report(range(1, 8), LINK, PreparedOutputs()),
    "report-closed": lambda: of_parts(
        [closed_report_card(run(S.SUCCEEDED), TITLE, say("report_dismissed", person=5, at=UNTIL))]
    ),
}
