"""The whole text that a person sees, for each way a run can stand or end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.buttons import PATTERN
from bot.messages.parts import FileKind, Part, Prepared, PreparedFile
from bot.messages.run import outcome_parts, status_part
from bot.runs import FINAL, Run, RunState
from bot.words import SENTENCES

ASKED = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
KEY = "abcdefghij234567"
RESULT_BUTTONS = [
    (name, f"run:{KEY}:{name.lower()}") for name in ("Again", "Edit", "Details", "Delete", "Report")
]
HOSTILE = "@everyone <@1> <#2> [a](https://evil) **b** `c` ```d``` \u202eevil\u200b # x\n> y ||z|| \\"
CODES = {
    RunState.FAILED: "run_failed",
    RunState.CANCELLED: "cancelled_by_requester",
    RunState.TIMED_OUT: "deadline",
    RunState.REFUSED: "comfy_unauthorized",
    RunState.UNCONFIRMED: "comfy_timeout",
}


def run(state: RunState, **more: Any) -> Run:
    base = Run(
        key=KEY,
        state=state,
        created_at=ASKED,
        requester_id=42,
        guild_id=1,
        channel_id=2,
        deployment="flux",
        deployment_id="d",
        inputs={},
        prompt="a lighthouse",
        failure_code=CODES.get(state),
    )
    return replace(base, **more)


def file(number: int = 1, kind: FileKind = FileKind.IMAGE, suffix: str = "png") -> PreparedFile:
    return PreparedFile(Path("/nowhere"), f"flux-{KEY}-{number}.{suffix}", kind)


def components(part: Part) -> list[Mapping[str, Any]]:
    """All components of a message, as Discord counts them."""

    def walk(component: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        inner = [*component.get("components", ()), *filter(None, [component.get("accessory")])]
        return [component, *(below for child in inner for below in walk(child))]

    view = part.layout or part.view
    tops = view.to_components() if view is not None else []
    return [component for top in tops for component in walk(top)]


def text(part: Part) -> str:
    shown = [c["content"] for c in components(part) if c["type"] == 10]
    return "\n".join([part.content or "", *shown]).strip("\n")


def buttons(part: Part) -> list[tuple[str, str]]:
    return [(c["label"], c["custom_id"]) for c in components(part) if c["type"] == 2]


def gallery(part: Part) -> list[str]:
    return [i["media"]["url"] for c in components(part) if c["type"] == 12 for i in c["items"]]


def assert_within_limits(part: Part) -> None:
    assert len(components(part)) <= 40
    assert len(part.files) <= 10
    assert len(text(part)) <= (4000 if part.layout else 2000)
    assert not (part.layout and (part.content or part.view))
    assert part.layout or part.content or part.files
    for item in components(part):
        assert item["type"] != 10 or len(item["content"]) >= 1
        assert item["type"] != 2 or (len(item["custom_id"]) <= 100 and PATTERN.fullmatch(item["custom_id"]))
        assert item["type"] != 12 or 1 <= len(item["items"]) <= 10


STATUS = {
    RunState.WAITING: "Waiting for a free place: Flux",
    RunState.AWAITING_APPROVAL: "Waiting for approval: Flux",
    RunState.SUBMITTING: "Handing it to ComfyDeploy: Flux",
    RunState.QUEUED: "In ComfyDeploy's queue: Flux",
    RunState.RUNNING: "Generating: Flux",
    RunState.UPLOADING: "Finishing up: Flux",
}


@pytest.mark.parametrize("state", STATUS)
def test_a_status_says_the_phase_the_prompt_and_since_when(state: RunState) -> None:
    part = status_part(run(state, queue_position=2), "Flux")
    assert text(part).splitlines()[:2] == [f"### {STATUS[state]}", "> a lighthouse"]
    assert f"<t:{int(ASKED.timestamp())}:R>" in text(part)
    assert part.mention is None
    assert buttons(part) == [("Cancel", f"run:{KEY}:cancel")]
    assert_within_limits(part)


def test_every_state_that_is_not_final_has_a_status() -> None:
    assert set(STATUS) == set(RunState) - FINAL


def test_progress_is_shown_as_the_service_said_it() -> None:
    shown = text(status_part(run(RunState.RUNNING, progress=0.5, live_status="Executing KSampler"), "Flux"))
    assert "▰▰▰▰▰▰▱▱▱▱▱▱ 50% · Executing KSampler" in shown
    assert "%" not in text(status_part(run(RunState.RUNNING), "Flux"))


@pytest.mark.parametrize(
    ("state", "position", "words"),
    [
        (RunState.WAITING, 1, "next in the queue"),
        (RunState.WAITING, 2, "number 2 in the queue"),
        (RunState.QUEUED, 0, "next in the queue"),
        (RunState.QUEUED, 1, "number 2 in the queue"),
    ],
)
def test_both_queues_are_counted_from_one(state: RunState, position: int, words: str) -> None:
    assert words in text(status_part(run(state, queue_position=position), "Flux"))


def test_a_position_is_not_shown_once_it_runs() -> None:
    assert "queue" not in text(status_part(run(RunState.RUNNING, queue_position=3), "Flux"))


def test_a_wish_to_cancel_is_shown_and_the_button_goes() -> None:
    part = status_part(run(RunState.RUNNING, cancel_requested_at=ASKED), "Flux")
    assert text(part).startswith("### Cancelling: Flux")
    assert buttons(part) == []


def test_a_machine_that_cannot_stop_says_so_and_the_button_goes() -> None:
    part = status_part(run(RunState.RUNNING, note="not_cancellable"), "Flux")
    assert SENTENCES["not_cancellable"] in text(part)
    assert buttons(part) == []


@pytest.mark.parametrize("state", sorted(CODES))
def test_an_ending_says_what_happened_and_what_to_do(state: RunState) -> None:
    ended = run(state, run_duration=12.3, gpu_used="A10G", seed=7)
    (part,) = outcome_parts(ended, "Flux", Prepared())
    shown = text(part)
    assert SENTENCES[CODES[state]] in shown
    assert SENTENCES[f"title_{state.value}"] in shown
    assert "> a lighthouse" in shown
    assert "took 12 s · GPU A10G · seed 7" in shown
    assert buttons(part) == [("Try again", f"run:{KEY}:again"), ("Edit", f"run:{KEY}:edit")]
    by_requester = state is RunState.CANCELLED
    assert part.mention == (None if by_requester else 42)
    assert ("<@42>" in shown) is not by_requester
    assert_within_limits(part)


def test_an_ending_without_a_known_reason_is_told_and_not_shown_raw() -> None:
    for code in ("nobody_wrote_this", "media_too_large", None):
        (part,) = outcome_parts(run(RunState.FAILED, failure_code=code), "Flux", Prepared())
        assert SENTENCES["internal"] in text(part)


def test_fields_that_comfydeploy_names_are_named_or_left_out() -> None:
    ended = run(RunState.REFUSED, failure_code="comfy_invalid", failure_params={"fields": "cfg, <@5>"})
    (part,) = outcome_parts(ended, "Flux", Prepared())
    assert "didn't accept these inputs: cfg, \\<\\@5>" in text(part)
    (part,) = outcome_parts(replace(ended, failure_params={"fields": ""}), "Flux", Prepared())
    assert SENTENCES["comfy_invalid_unnamed"] in text(part)


def test_a_result_shows_its_pictures_and_pings_the_requester_once() -> None:
    done = run(RunState.SUCCEEDED, run_duration=3.4, gpu_used="H100", seed=99)
    files = (file(1), file(2, FileKind.VIDEO, "mp4"))
    (part,) = outcome_parts(done, "Flux", Prepared(files))
    assert text(part).splitlines() == [
        "<@42> **Flux**",
        "> a lighthouse",
        "-# took 3 s · GPU H100 · seed 99",
    ]
    assert gallery(part) == [f"attachment://{f.filename}" for f in files]
    assert (part.files, part.mention) == (files, 42)
    assert buttons(part) == RESULT_BUTTONS
    assert_within_limits(part)


def test_more_than_ten_files_go_into_further_messages_without_another_ping() -> None:
    files = tuple(file(n) for n in range(1, 24))
    others = tuple(file(n, FileKind.AUDIO, "wav") for n in range(24, 37))
    parts = outcome_parts(run(RunState.SUCCEEDED), "Flux", Prepared(files + others))
    assert [len(part.files) for part in parts] == [10, 10, 3, 10, 3]
    assert [part.mention for part in parts] == [42, None, None, None, None]
    assert [f for part in parts for f in part.files] == [*files, *others]
    for part in parts:
        assert_within_limits(part)


def test_sound_alone_is_a_classic_message_which_has_a_player() -> None:
    sounds = tuple(file(n, FileKind.AUDIO, "wav") for n in range(12))
    first, second = outcome_parts(run(RunState.SUCCEEDED), "Bark", Prepared(sounds))
    assert (first.layout, second.layout) == (None, None)
    assert first.content == "<@42> **Bark**\n> a lighthouse"
    assert buttons(first) == RESULT_BUTTONS
    assert (first.mention, second.mention) == (42, None)
    assert_within_limits(first)
    assert_within_limits(second)


def test_a_result_without_anything_says_so() -> None:
    (part,) = outcome_parts(run(RunState.SUCCEEDED), "Flux", Prepared())
    assert SENTENCES["no_outputs"] in text(part)
    assert part.mention == 42


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 50])
def test_no_number_of_backticks_ends_the_code_block(count: int) -> None:
    (part,) = outcome_parts(run(RunState.SUCCEEDED), "LLM", Prepared(texts=(f"{{a{'`' * count}b @everyone",)))
    assert text(part).count("```") == 2
    assert text(part).replace("\u200b", "").count("`") == 6 + count


def test_very_many_texts_share_one_block() -> None:
    texts = tuple(f"line {n}" for n in range(150))
    (part,) = outcome_parts(run(RunState.SUCCEEDED), "LLM", Prepared(texts=texts))
    assert_within_limits(part)
    assert [line for line in text(part).splitlines() if line.startswith("line ")] == list(texts)


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        ("A quiet lake.\nNobody *there*.", "A quiet lake.\nNobody \\*there\\*."),
        ("# not a heading\n> nor a quote", "\\# not a heading\n\\> nor a quote"),
        ("@everyone <@1>", "\\@everyone \\<\\@1>"),
        ('{\n  "a": 1\n}', '```\n{\n  "a": 1\n}\n```'),
        ("name  size\na     1", "```\nname  size\na     1\n```"),
        ("  indented", "```\n  indented\n```"),
        ("*" * 1500, "```\n" + "*" * 1500 + "\n```"),
    ],
)
def test_sentences_stand_as_text_and_what_is_laid_out_in_a_code_block(made: str, shown: str) -> None:
    (part,) = outcome_parts(run(RunState.SUCCEEDED, prompt=None), "LLM", Prepared(texts=(made,)))
    assert shown in text(part)
    assert ("```" in text(part)) is shown.startswith("```")
    assert_within_limits(part)


@pytest.mark.parametrize("kind", [FileKind.IMAGE, FileKind.AUDIO])
def test_notes_that_do_not_fit_go_into_further_messages(kind: FileKind) -> None:
    notes = tuple(
        f"file {n} is too large: [open it](https://s3.example/{'x' * 900}{n}) now" for n in range(40)
    )
    parts = outcome_parts(run(RunState.SUCCEEDED), "Flux", Prepared((file(1, kind),), notes=notes))
    everything = "\n".join(text(part) for part in parts)
    assert all(note in everything for note in notes)
    assert [part.mention for part in parts] == [42] + [None] * (len(parts) - 1)
    for part in parts:
        assert_within_limits(part)


def test_a_link_that_no_message_could_hold_is_left_out_but_not_its_note() -> None:
    note = (
        f"movie.mp4 is too large to upload here: [open it](https://s3.example/{'x' * 8000}) while it works."
    )
    parts = outcome_parts(run(RunState.SUCCEEDED), "Flux", Prepared((file(),), notes=(note,)))
    assert "movie.mp4 is too large to upload here: open it while it works." in text(parts[-1])
    for part in parts:
        assert_within_limits(part)


@pytest.mark.parametrize("state", sorted(RunState))
def test_hostile_words_neither_ping_nor_break_out(state: RunState) -> None:
    hostile = run(
        state,
        prompt=HOSTILE * 100,
        live_status=HOSTILE,
        progress=0.4,
        gpu_used=HOSTILE,
        failure_code=CODES.get(state) and "comfy_invalid",
        failure_params={"fields": HOSTILE},
    )
    parts = outcome_parts(hostile, HOSTILE, Prepared()) if state in FINAL else [status_part(hostile, HOSTILE)]
    for part in parts:
        shown = text(part).replace("<@42>", "")
        assert not re.search(r"(?<!\\)(\*\*b|`c`|\[a\]|\|\|z|<@1>|<#2>|@everyone)", shown)
        assert "\\[a](https" in shown
        assert "\u202e" not in shown
        assert "\n> y" not in shown
        assert part.mention in (42, None)
        assert_within_limits(part)


@given(
    state=st.sampled_from(sorted(RunState)),
    words=st.text(max_size=7000),
    texts=st.lists(st.text(alphabet="`a\n", min_size=1, max_size=150), max_size=10),
    files=st.lists(st.sampled_from(FileKind), max_size=40),
    notes=st.lists(st.text(min_size=1, max_size=1500).filter(str.strip), max_size=41),
)
def test_whatever_comes_every_message_is_within_discords_limits(
    state: RunState, words: str, texts: list[str], files: list[FileKind], notes: list[str]
) -> None:
    subject = run(state, prompt=words, live_status=words, gpu_used=words, progress=0.1, seed=1)
    if state not in FINAL:
        assert_within_limits(status_part(subject, words or "x"))
        return
    named = tuple(file(number, kind) for number, kind in enumerate(files))
    succeeded = state is RunState.SUCCEEDED
    prepared = Prepared(named, tuple(texts), tuple(notes)) if succeeded else Prepared()
    for part in outcome_parts(subject, words or "x", prepared):
        assert_within_limits(part)
