"""Messages at a run's end: files, texts and notes of any number and size, and which buttons are offered."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from discord.ui import ActionRow, LayoutView
from hypothesis import example, given
from hypothesis import strategies as st

from bot.deployments.files import linked_file
from bot.domain.backend import InputKind
from bot.domain.runs import Output, RunState
from bot.domain.text import escape_line
from bot.strings import SENTENCES
from bot.ui.custom_ids import DeleteId
from bot.ui.message_parts import FileKind, OutgoingMessage, PreparedOutputs
from bot.ui.result_buttons import OfferedActions, more_layout, picked_layout
from bot.ui.results import Batch, outcome_messages
from bot.ui.run_facts import details
from bot.ui.status import plain_messages
from tests.unit.deployments.made import UUID, follow_up
from tests.unit.ui.messages import (
    KEY,
    assert_within_limits,
    batch_of,
    buttons,
    ended,
    file,
    labels,
    options,
    run,
    text,
)

S = RunState
MIB = 1024 * 1024
ASKED = run().created_at
DONE = run(outputs=(Output("images", "https://s3.example/a.png", "a.png"),))


@pytest.mark.parametrize("code", ["nobody_wrote_this", "media_too_large", None])
def test_the_code_of_an_unknown_failure_is_not_shown(code: str | None) -> None:
    (part,) = ended(run(S.FAILED, failure_code=code))
    assert SENTENCES["internal"] in text(part)


@pytest.mark.parametrize(
    ("measured", "told"),
    [
        ({"run_duration": 12.4}, ["took 12 s"]),
        ({"run_duration": 0.6}, ["took 1 s"]),
        ({"run_duration": 0.4}, []),
        ({"run_duration": None}, []),
        ({"run_duration": 62.0, "charged_seconds": 124.0, "duration_in_doubt": True}, []),
    ],
    ids=str,
)
def test_a_duration_is_told_if_it_is_known_and_a_second_at_least(
    measured: dict[str, Any], told: list[str]
) -> None:
    made = run(started_at=ASKED, ended_at=ASKED + timedelta(seconds=62), **measured)
    shown: list[OutgoingMessage | LayoutView] = [*ended(made), details(made, "Flux", None).layout]
    for each in shown:
        assert re.findall(r"took \d+ s|124", text(each).lower()) == told


@pytest.mark.parametrize(
    ("sizes", "packed"),
    [
        ([4] * 10, [6, 4]),
        ([9, 9, 9, 1], [2, 2]),
        ([24], [1]),
        ([1, 40, 1], [1, 1, 1]),
        ([40, 1], [1, 1]),
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


def test_very_many_texts_share_one_message() -> None:
    texts = tuple(f"line {n}" for n in range(150))
    (part,) = ended(DONE, made=PreparedOutputs(texts=texts))
    assert [line for line in text(part).splitlines() if line.startswith("line ")] == list(texts)


LAID_OUT = ('{\n  "a": 1\n}', "name  size\na     1", "  indented", "*" * 1500)


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        ("A quiet lake.\nNobody *there*.", "A quiet lake.\nNobody \\*there\\*."),
        ("# not a heading\n> nor a quote", "\\# not a heading\n\\> nor a quote"),
        *((block, f"```\n{block}\n```") for block in LAID_OUT),
    ],
    ids=["sentences", "marks", "JSON", "a table", "indented", "many marks"],
)
def test_sentences_stand_as_text_and_laid_out_texts_in_a_code_block(made: str, shown: str) -> None:
    (part,) = ended(replace(DONE, prompt=None), made=PreparedOutputs(texts=(made,)))
    assert shown in text(part)
    assert ("```" in text(part)) is shown.startswith("```")


@pytest.mark.parametrize("kind", [FileKind.IMAGE, FileKind.AUDIO])
def test_notes_that_do_not_fit_go_into_further_messages(kind: FileKind) -> None:
    remarks = tuple(f"file {n}: [open it](https://s3.example/{'x' * 900}{n}) now" for n in range(40))
    parts = ended(DONE, made=PreparedOutputs((file(1, kind),), remarks=remarks))
    everything = "\n".join(text(part) for part in parts)
    assert all(note in everything for note in remarks)
    assert [part.mention for part in parts] == [42] + [None] * (len(parts) - 1)


OFFERED = st.builds(
    lambda labels, flags: replace(
        OfferedActions(*flags),
        follow_ups=tuple(follow_up(each, UUID, takes={InputKind.IMAGE: "i"}) for each in labels),
    ),
    st.lists(st.text("Wi", min_size=1, max_size=32), max_size=6, unique=True),
    st.tuples(*[st.booleans()] * 5),
)


def rows(part: OutgoingMessage) -> list[list[str]]:
    """Return the labels of each row of buttons."""
    assert part.layout is not None
    found = [item for item in part.layout.walk_children() if isinstance(item, ActionRow)]
    return [[getattr(each, "label", "") for each in row.children] for row in found]


@given(OFFERED)
def test_the_buttons_of_a_result_have_fixed_places(offered: OfferedActions) -> None:
    (part,) = ended(DONE, offered=offered)
    again = ["Again", *(["4 more"] if offered.vary else []), "Edit", "⋯ More"]
    follow_ups = [each.label for each in offered.follow_ups]
    assert rows(part) == [*([follow_ups[:3]] if follow_ups else []), again]
    behind = more_layout([DONE], "Flux", offered, DeleteId(KEY, 5), ["https://x/a.png"])
    hidden = [*(option["label"] for option in options(behind)), *labels(behind)]
    assert set(hidden) >= set(follow_ups[3:])
    assert ("Delete" in hidden, "Report" in hidden) == (True, offered.reportable)


def test_the_follow_ups_of_a_sound_stand_above_its_other_buttons() -> None:
    again = follow_up("Remix", UUID, takes={InputKind.AUDIO: "sound"})
    sound = PreparedOutputs((file(1, FileKind.AUDIO),))
    (part,) = ended(DONE, made=sound, offered=OfferedActions(follow_ups=(again,)))
    assert part.view is not None
    assert [(item.row, getattr(item, "label", "")) for item in part.view.children] == [
        (0, "Remix"),
        *((1, label) for label in ("Again", "Edit", "⋯ More")),
    ]


@given(OFFERED)
def test_a_picked_picture_offers_everything(offered: OfferedActions) -> None:
    files = [linked_file("https://x/a.png")]
    layout = picked_layout(replace(DONE, count=2), 1, "Flux", files, PreparedOutputs(), offered)
    found = [*labels(layout), *(option["label"] for option in options(layout))]
    assert {"Again", "Edit", "Details", "Delete"} <= set(found)
    assert set(found) >= {each.label for each in offered.follow_ups}
    assert ("Post" in found, "Share" in found) == (offered.postable, offered.shareable)
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("changes", "startable", "expected"),
    [
        ({}, True, "Again, Edit, Save preset, Details, Delete"),
        ({}, False, "Details, Delete"),
        ({"deleted_at": ASKED}, True, "Again, Edit, Save preset, Details"),
        ({"private": True}, True, "Again, Edit, Save preset, Details"),
        ({"user_install": True}, True, "Again, Edit, Save preset, Details"),
    ],
    ids=["own", "not startable", "deleted", "private", "user install"],
)
def test_a_picked_run_offers_only_what_is_possible(
    changes: dict[str, Any], startable: bool, expected: str
) -> None:
    made = replace(DONE, count=2, **changes)
    layout = picked_layout(made, 2, "Flux", [], PreparedOutputs(), OfferedActions(startable=startable))
    assert set(labels(layout)) == set(expected.split(", "))


def test_pictures_of_one_run_have_numbers_that_name_their_files() -> None:
    first, further = ended(DONE, made=PreparedOutputs(tuple(map(file, range(1, 13)))))
    marks = [mark for label, mark in buttons(first) if label.isdigit()]
    assert marks == [f"pick:{KEY}:{number}:{number}" for number in range(1, 11)]
    assert [mark for _, mark in buttons(further)] == [f"pick:{KEY}:11:11", f"pick:{KEY}:12:12"]


def test_numbers_stay_the_same_without_the_pictures_of_another_run() -> None:
    """Each run has made two pictures; the first run's are deleted."""
    gone, stays = batch_of(S.SUCCEEDED, S.SUCCEEDED)
    of_gone, of_other = (tuple(file(number, key=run.key) for number in (1, 2)) for run in (gone, stays))
    shown = {stays.key: PreparedOutputs(of_other)}
    batch = Batch([replace(gone, deleted_at=ASKED), stays], shown, posted=[*of_gone, *of_other])
    (part,) = outcome_messages(batch, "Flux")
    assert [label for label, _ in buttons(part) if label.isdigit()] == ["1", "3", "4"]
    assert [each.description for each in part.files] == ["3: a lighthouse", "4: a lighthouse"]


@pytest.mark.parametrize(
    ("states", "numbered"),
    [
        ([S.REJECTED, S.REJECTED], False),
        ([S.FAILED, S.CANCELLED, S.REFUSED, S.EXPIRED], False),
        ([S.FAILED, S.SUCCEEDED], True),
        ([S.FAILED, S.UNCONFIRMED], True),
        ([S.FAILED, S.TIMED_OUT], True),
    ],
    ids=str,
)
def test_numbers_are_shown_only_if_one_of_them_has_or_may_get_a_result(
    states: list[RunState], numbered: bool
) -> None:
    (part,) = ended(*batch_of(*states))
    assert any(mark.startswith("pick:") for _, mark in buttons(part)) is numbered
    assert labels(part)[-2:] == ["Edit", "⋯ More"]


@given(st.lists(st.text(max_size=300), min_size=1, max_size=3), st.integers(1, 8000))
@example(["a]b.png"], 1900)
@example(["a]b.png", "_" * 80], 8000)
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
