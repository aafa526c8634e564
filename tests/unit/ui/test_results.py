"""Messages at a run's end: files, texts and notes of any number and size, and which buttons are offered."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from discord.ui import LayoutView
from hypothesis import example, given
from hypothesis import strategies as st

from bot.deployments.choices import input_of
from bot.discord_api.outgoing import OutgoingMessage
from bot.domain.backend import InputKind
from bot.domain.files import FileKind, PreparedOutputs
from bot.domain.runs import InputValue, Output, RunState
from bot.domain.text import escape_line
from bot.sentences import SENTENCES
from bot.ui.result_buttons import OfferedActions, picked_layout
from bot.ui.results import share_messages
from bot.ui.run_facts import details
from bot.ui.status import plain_messages
from tests.unit.deployments.made import UUID, follow_up, offering
from tests.unit.ui.messages import KEY, assert_within_limits, components, ended, file, run, text

S = RunState
MIB = 1024 * 1024
ASKED = run().created_at
DONE = run(outputs=(Output("images", "https://s3.example/a.png", "a.png"),))


def test_a_failure_without_a_sentence_has_a_general_one() -> None:
    (part,) = ended(run(S.FAILED, failure_code="nobody_wrote_this"))
    assert SENTENCES["internal"] in text(part)


@pytest.mark.parametrize(
    ("measured", "told"),
    [
        ({"run_duration": 12.4}, ["took 12 s"]),
        ({"run_duration": 0.6}, ["took 1 s"]),
        ({"run_duration": 0.4}, []),
        ({"run_duration": None}, []),
    ],
    ids=str,
)
def test_a_duration_is_told_if_it_is_known_and_a_second_at_least(
    measured: dict[str, Any], told: list[str]
) -> None:
    made = run(started_at=ASKED, ended_at=ASKED + timedelta(seconds=62), **measured)
    shown: list[OutgoingMessage | LayoutView] = [*ended(made), details(made, "Flux", None)[0]]
    for each in shown:
        assert re.findall(r"took \d+ s|124", text(each).lower()) == told


@pytest.mark.parametrize(
    ("sizes", "packed"),
    [
        ([9, 9, 9, 1], [2, 2]),
        ([1, 40, 1], [1, 1, 1]),
        ([0] * 12, [10, 2]),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [FileKind.IMAGE, FileKind.AUDIO])
def test_files_are_split_by_their_size_in_total(kind: FileKind, sizes: list[int], packed: list[int]) -> None:
    """Discord takes 25 MiB per request; a larger file goes alone."""
    files = tuple(replace(file(n, kind), size=size * MIB) for n, size in enumerate(sizes))
    parts = ended(DONE, made=PreparedOutputs(files))
    assert [len(part.files) for part in parts] == packed
    assert [each.filename for part in parts for each in part.files] == [each.filename for each in files]
    assert [bool(part.mention) for part in parts] == [True, *[False] * (len(parts) - 1)]


@given(st.text(alphabet="`a\n", max_size=60))
def test_no_number_of_backticks_ends_the_code_block(made: str) -> None:
    (part,) = ended(DONE, made=PreparedOutputs(texts=(f"{{a{made}b @everyone",)))
    assert text(part).count("```") == 2
    assert text(part).replace("\u200b", "").count("`") == 6 + made.count("`")


@pytest.mark.parametrize("made", ["  indented", "*" * 1500], ids=["laid out", "many marks"])
def test_a_text_that_prose_would_spoil_stands_in_a_code_block(made: str) -> None:
    (part,) = ended(DONE, made=PreparedOutputs(texts=(made,)))
    assert f"```\n{made}\n```" in text(part)


def detailed(inputs: dict[str, InputValue], log: str | None = None) -> tuple[str, str | None]:
    """Return the text of a failed run's Details, and what is in their file."""
    images = input_of(key="i", option="image", kind=InputKind.IMAGES, max_count=2)
    offered = offering(images) if "i" in inputs else None
    made = run(S.FAILED, inputs=inputs, failure_code="run_failed", failure_log=log)
    layout, file = details(made, "Flux", offered, explained=True)
    return text(layout), file


def test_details_too_long_for_a_message_are_whole_in_their_file() -> None:
    _, file = detailed({f"key{n}": "*" * 500 for n in range(60)}, "the log")
    assert file is not None
    assert f"key59:\n{'*' * 500}\n" in file
    assert file.endswith("the log\n")
    shown, file = detailed({}, "a ``` here")
    assert (shown.count("```"), file) == (2, None)


def test_details_name_the_option_of_each_file() -> None:
    links = [f"https://x/{name}.png" for name in "abc"]
    shown, _ = detailed({"i": links})
    for option, link in zip(("image1", "image2", "image"), links, strict=True):
        assert f"**{option}:** [{link[-5:]}]({link})" in shown


@pytest.mark.parametrize("kind", [FileKind.IMAGE, FileKind.AUDIO])
def test_notes_that_do_not_fit_go_into_further_messages(kind: FileKind) -> None:
    remarks = tuple(f"file {n}: [open it](https://s3.example/{'x' * 900}{n}) now" for n in range(40))
    parts = ended(DONE, made=PreparedOutputs((file(1, kind),), remarks=remarks))
    everything = "\n".join(text(part) for part in parts)
    assert all(note in everything for note in remarks)
    assert [part.mention for part in parts] == [42] + [None] * (len(parts) - 1)


@pytest.mark.parametrize(("deleted_at", "offered"), [(None, {"Details", "Delete"}), (ASKED, {"Details"})])
def test_a_picked_run_offers_only_what_is_possible(deleted_at: datetime | None, offered: set[str]) -> None:
    """The viewer may not start anything."""
    made, allowed = replace(DONE, count=2, deleted_at=deleted_at), OfferedActions(repeatable=False)
    layout = picked_layout(made, 2, "Flux", [], PreparedOutputs(), allowed)
    assert {each["label"] for each in components(layout) if "label" in each} == offered


def test_a_picked_run_has_three_follow_ups_and_a_choice_of_the_others() -> None:
    follow_ups = tuple(follow_up(label, UUID, takes={InputKind.IMAGE: "i"}) for label in "ABCDE")
    offered = OfferedActions(follow_ups=follow_ups)
    found = components(picked_layout(replace(DONE, count=2), 1, "Flux", [], PreparedOutputs(), offered))
    assert [each["label"] for each in found if each["type"] == 2][:4] == ["A", "B", "C", "Again"]
    assert [each["label"] for select in found for each in select.get("options", ())] == ["D", "E"]


def test_pictures_of_one_run_have_numbers_that_name_their_files() -> None:
    (part,) = ended(DONE, made=PreparedOutputs((file(1), file(2))))
    marks = [each["custom_id"] for each in components(part) if "custom_id" in each]
    assert marks[:2] == [f"pick:{KEY}:1:1", f"pick:{KEY}:2:2"]


def test_a_text_stays_behind_its_spoiler_when_it_is_shared() -> None:
    made, lake = replace(DONE, spoiler=True), PreparedOutputs(texts=("Lake",))
    for (part,) in (ended(made, made=lake), share_messages(made, "Flux", lake, None, OfferedActions())):
        assert "||Lake||" in text(part).splitlines()


@given(st.lists(st.text(max_size=300), min_size=1, max_size=3), st.integers(1, 8000))
@example(["](https://x.example)" * 4], 8000)
@example(["x" * 300] * 400, 20)
def test_a_link_too_long_for_any_message_leaves_the_name_of_its_file(names: list[str], length: int) -> None:
    """Such a link alone exceeded a message, and an endless series of empty messages filled the memory."""
    url = f"https://files.example/{'x' * length}?sig=[(]"
    made = run(outputs=tuple(Output("images", url, name) for name in names))
    parts = plain_messages([made], [made], bool)
    assert len(parts) <= 1 + len(names)
    for part in parts:
        assert_within_limits(part)
        assert text(part)
    shown = "\n".join(map(text, parts))
    for number, name in enumerate(names, 1):
        assert (escape_line(name, 80) or f"file {number}") in shown
    if length < 1700:
        assert shown.count(f"]({url})") == len(names)
