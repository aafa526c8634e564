"""What moderators see: everything that they decide about, within Discord's limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.deployments.input_text import ShownInputs
from bot.domain.runs import Run, RunState
from bot.domain.transitions import REQUESTER_BLOCKED
from bot.ui.components import ChannelName, FileKind, PreparedOutputs
from bot.ui.moderation import (
    block_notice,
    closed_report_card,
    decided_card,
    rejection_notice,
    report_card,
    review_card,
)
from tests.unit.factories import made_run
from tests.unit.ui.messages import KEY, components, file, labels, text

AT = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
INPUTS = ShownInputs((("prompt", "a fox"), ("style", "ink"), ("seed", "7")), ())


def run(state: RunState = RunState.AWAITING_APPROVAL, **more: Any) -> Run:
    asked = {
        "requester_id": 175928847299117063,
        "channel_id": 22,
        "gpu": "H100",
        "prompt": "a fox",
        "reserved_seconds": 240,
        "review_channel_id": 99,
        "requester_joined_at": AT,
    }
    return made_run(state, key=KEY, created_at=AT, **{**asked, **more})


def test_a_card_shows_who_asks_for_what_and_what_it_costs() -> None:
    part = review_card(run(), "Flux", INPUTS, PreparedOutputs())
    assert text(part).splitlines() == [
        "### A request for **Flux** waits for you",
        "<@175928847299117063> · account created <t:1462015105:R> · joined <t:1777897800:R>",
        "**prompt** a fox",
        "**style** ink",
        "**seed** 7",
        "-# GPU H100 · for <#22> · counts as 1 run and about 240 GPU seconds",
    ]
    assert labels(part) == ["Approve", "Reject", "Block"]
    assert part.mention is None


@pytest.mark.parametrize("values", [[("prompt", "x" * 401)], [(f"input{n}", "x" * 150) for n in range(20)]])
def test_where_inputs_are_too_long_for_the_card_details_has_them_whole(values: list[tuple[str, str]]) -> None:
    part = review_card(run(), "Flux", ShownInputs(tuple(values), ()), PreparedOutputs())
    assert labels(part) == ["Approve", "Reject", "Block", "Details"]


def test_pictures_are_shown_other_files_are_there_to_open_and_all_are_kept() -> None:
    files = (file(1, FileKind.IMAGE, "png"), file(2, FileKind.AUDIO, "wav"), file(3, FileKind.VIDEO, "mp4"))
    part = review_card(run(), "Flux", INPUTS, PreparedOutputs(files, remarks=("big.png is too large",)))
    found = components(part)
    assert [i["media"]["url"] for c in found if c["type"] == 12 for i in c["items"]] == [
        f"attachment://flux-{KEY}-1.png",
        f"attachment://flux-{KEY}-3.mp4",
    ]
    assert [c["file"]["url"] for c in found if c["type"] == 13] == [f"attachment://flux-{KEY}-2.wav"]
    assert part.files == files
    assert "big.png is too large" in text(part)


def test_what_is_more_than_a_message_holds_is_said() -> None:
    part = review_card(
        run(), "Flux", INPUTS, PreparedOutputs(tuple(file(n, FileKind.IMAGE, "png") for n in range(12)))
    )
    assert len(part.files) == 10
    assert "2 more files" in text(part)


@pytest.mark.parametrize(
    ("state", "decided", "verdict"),
    [
        (RunState.WAITING, True, "Approved by <@5> <t:1777897800:R>"),
        (RunState.SUCCEEDED, True, "Approved by <@5> <t:1777897800:R>"),
        (RunState.CANCELLED, True, "Approved by <@5> <t:1777897800:R>"),
        (RunState.REJECTED, True, "Rejected by <@5> <t:1777897800:R>"),
        (RunState.EXPIRED, False, "Nobody decided in time."),
        (RunState.CANCELLED, False, "The requester cancelled it."),
    ],
)
def test_a_decided_card_says_who_and_when_and_has_no_buttons(
    state: RunState, decided: bool, verdict: str
) -> None:
    by = {"decided_by": 5, "decided_at": AT} if decided else {}
    part = decided_card(run(state, failure_params={"reason": "not *here*"}, **by), "Flux", INPUTS)
    assert verdict in text(part).splitlines()
    assert ("> not \\*here\\*" in text(part)) is (state is RunState.REJECTED)
    assert labels(part) == []


def test_the_reason_goes_to_the_requester_alone() -> None:
    rejected = run(RunState.REJECTED, failure_params={"reason": "no <@&5>"}, decided_by=5, decided_at=AT)
    place = ChannelName("pic_tures", "The *Studio*")
    assert text(rejection_notice(rejected, "Flux", place)).splitlines() == [
        "Your request for **Flux** was not approved.",
        "> a fox",
        "The moderator's reason: no \\<\\@&5>",
        "-# **#pic\\_tures** on **The \\*Studio\\***: [open the channel](https://discord.com/channels/1/22)",
    ]
    silent = text(rejection_notice(replace(rejected, failure_params={"reason": ""}), "Flux", None))
    assert "reason" not in silent
    assert silent.endswith("-# [Open the channel](https://discord.com/channels/1/22)")


def test_who_is_blocked_reads_that_and_the_card_says_who_did_it() -> None:
    ended = run(
        RunState.REJECTED,
        failure_code=REQUESTER_BLOCKED,
        failure_params={"reason": "spam"},
        decided_by=5,
        decided_at=AT,
    )
    shown = text(block_notice(ended, "Flux", None, others=0, partly=False)).splitlines()
    assert shown[0] == (
        "Your request for **Flux** was not started: a moderator has blocked you from generating there."
    )
    assert "The moderator's reason: spam" in shown
    rest = text(block_notice(ended, "Flux", None, others=2, partly=True)).splitlines()[0]
    assert rest.startswith("The rest of your request for **Flux** was not started: ")
    assert rest.endswith(" That ended 2 more of your requests, too.")
    card = decided_card(ended, "Flux", INPUTS)
    assert "<@5> blocked the requester <t:1777897800:R>, so it was not started." in text(card)
    assert labels(card) == []


def test_a_report_leads_to_the_result_and_is_closed_with_a_verdict() -> None:
    link = "https://discord.com/channels/1/2/3"
    part = report_card(run(RunState.SUCCEEDED), "Flux", [8], link, PreparedOutputs())
    assert "Reported by <@8>" in text(part).splitlines()
    assert "[Open it](https://discord.com/channels/1/2/3)" in text(part)
    assert "> a fox" in text(part)
    assert labels(part) == ["Delete", "Block", "Dismiss"]
    closed = closed_report_card(run(RunState.SUCCEEDED), "Flux", "Dismissed by <@5>.")
    assert text(closed).endswith("Dismissed by <@5>.")
    assert labels(closed) == []


def test_a_reported_result_is_shown_behind_a_spoiler_under_a_name_of_its_own() -> None:
    files = (file(1, FileKind.IMAGE, "png"), file(2, FileKind.AUDIO, "wav"))
    part = report_card(run(RunState.SUCCEEDED), "Flux", [8], None, PreparedOutputs(files, texts=("a | fox",)))
    found = components(part)
    (item,) = next(c["items"] for c in found if c["type"] == 12)
    assert item["media"]["url"] == f"attachment://report-flux-{KEY}-1.png"
    assert item["spoiler"]
    (sound,) = (c for c in found if c["type"] == 13)
    assert sound["spoiler"]
    assert [each.filename for each in part.files] == [f"report-flux-{KEY}-1.png", f"report-flux-{KEY}-2.wav"]
    assert "||a \\| fox||" in text(part)


def test_of_many_reporters_some_are_named() -> None:
    part = report_card(run(RunState.SUCCEEDED), "Flux", [*range(1, 8)], None, PreparedOutputs())
    assert "Reported by <@1>, <@2>, <@3>, <@4>, <@5>, 2 more" in text(part)


@given(
    values=st.lists(st.tuples(st.text(max_size=60), st.text(max_size=6000)), max_size=80),
    files=st.lists(st.sampled_from(FileKind), max_size=40),
    remarks=st.lists(st.text(min_size=1, max_size=1500).filter(str.strip), max_size=40),
    reason=st.text(max_size=600),
    gpu=st.text(max_size=60),
)
def test_whatever_was_asked_for_the_card_is_within_discords_limits(
    values: list[tuple[str, str]], files: list[FileKind], remarks: list[str], reason: str, gpu: str
) -> None:
    subject = run(gpu=gpu, failure_params={"reason": reason}, prompt=reason)
    inputs = ShownInputs(tuple(values), ())
    prepared = PreparedOutputs(
        tuple(file(n, kind, "x") for n, kind in enumerate(files)), remarks=tuple(remarks)
    )
    rejected = replace(subject, state=RunState.REJECTED, decided_by=1, decided_at=AT)
    for part in (
        review_card(subject, gpu or "x", inputs, prepared),
        decided_card(rejected, gpu or "x", inputs),
        rejection_notice(rejected, gpu or "x", ChannelName(reason, reason)),
        report_card(subject, gpu or "x", [*range(9)], None, replace(prepared, texts=(reason * 2,) * 3)),
    ):
        found = components(part)
        assert len(found) <= 40
        assert sum(len(c["content"]) for c in found if c["type"] == 10) <= 4000
        assert all(1 <= len(c["items"]) <= 10 for c in found if c["type"] == 12)
        assert len(part.files) <= 10
