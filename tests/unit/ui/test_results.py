"""Messages at a run's end: files, texts and notes of any number and size. The snapshots have common ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain.runs import Output, Run, RunState
from bot.domain.text import escape_line
from bot.strings import SENTENCES
from bot.ui.details import details
from bot.ui.fallbacks import linked_outputs, plain_messages
from bot.ui.message_parts import FileKind, OutgoingMessage, PreparedOutputs
from bot.ui.result_buttons import OfferedActions, hidden_buttons
from bot.ui.results import Batch, more_layout, outcome_messages, single_layout
from tests.unit.ui.batch_messages import parts, runs
from tests.unit.ui.follow_up_messages import ANIMATE, MADE, REMOVE, UPSCALE, action
from tests.unit.ui.messages import (
    ASKED,
    KEY,
    assert_within_limits,
    buttons,
    file,
    may_link,
    options,
    outcome,
    run,
    text,
)
from tests.unit.ui.snapshot import button_rows

S = RunState


def result(prepared: PreparedOutputs, **more: Any) -> list[OutgoingMessage]:
    """Return the messages of a run that succeeded, each within Discord's limits."""
    parts = outcome(run(RunState.SUCCEEDED, **more), prepared)
    for part in parts:
        assert_within_limits(part)
    return parts


def test_the_code_of_an_unknown_failure_is_not_shown() -> None:
    for code in ("nobody_wrote_this", "media_too_large", None):
        (part,) = outcome(run(RunState.FAILED, failure_code=code), PreparedOutputs())
        assert SENTENCES["internal"] in text(part)


@pytest.mark.parametrize(("seconds", "told"), [(12.4, "took 12 s"), (0.6, "took 1 s"), (0.4, ""), (None, "")])
def test_a_duration_is_told_if_it_is_known_and_a_second_at_least(seconds: float | None, told: str) -> None:
    late = {"started_at": ASKED, "ended_at": ASKED + timedelta(seconds=62)}
    made = run(RunState.SUCCEEDED, run_duration=seconds, **late)
    (part,) = outcome(made, PreparedOutputs((file(),)))
    for shown in (text(part), text(details(made, "Flux", None, None).layout)):
        assert re.findall(r"took \d+ s", shown.lower()) == ([told] if told else [])


def test_a_duration_in_doubt_is_told_neither_for_one_run_nor_for_a_batch() -> None:
    doubtful = run(RunState.SUCCEEDED, run_duration=62.0, charged_seconds=124.0, duration_in_doubt=True)
    known = replace(doubtful, duration_in_doubt=False, count=2)
    for batch in ([doubtful], [known, replace(doubtful, count=2, index=1)]):
        prepared = {each.key: PreparedOutputs((file(),)) for each in batch}
        (part,) = outcome_messages(Batch(batch, prepared), "Flux", OfferedActions())
        assert "ook" not in text(part)
        assert "124" not in text(part)
    assert "took" not in text(details(doubtful, "Flux", None, None).layout)


@pytest.mark.parametrize(
    ("charged", "told"),
    [
        (12.0, "the GPU time counts towards the daily usage"),
        (24.0, "counts as 24 s of daily usage"),
    ],
)
def test_a_failure_says_once_what_counts(charged: float, told: str) -> None:
    (part,) = outcome(run(RunState.FAILED, run_duration=12.0, charged_seconds=charged), PreparedOutputs())
    assert told in text(part)
    assert text(part).count("daily usage") == 1


MIB = 1024 * 1024


@pytest.mark.parametrize("kind", [FileKind.IMAGE, FileKind.AUDIO])
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
def test_files_are_split_by_their_size_in_total(kind: FileKind, sizes: list[int], packed: list[int]) -> None:
    """Discord takes 25 MiB per request; a larger file goes alone."""
    files = tuple(replace(file(n, kind), size=size * MIB) for n, size in enumerate(sizes))
    parts = result(PreparedOutputs(files))
    assert [len(part.files) for part in parts] == packed
    assert [each for part in parts for each in part.files] == [*files]
    assert [bool(part.mention) for part in parts] == [True, *[False] * (len(parts) - 1)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 50])
def test_no_number_of_backticks_ends_the_code_block(count: int) -> None:
    (part,) = result(PreparedOutputs(texts=(f"{{a{'`' * count}b @everyone",)))
    assert text(part).count("```") == 2
    assert text(part).replace("\u200b", "").count("`") == 6 + count


def test_very_many_texts_share_one_message() -> None:
    texts = tuple(f"line {n}" for n in range(150))
    (part,) = result(PreparedOutputs(texts=texts))
    assert [line for line in text(part).splitlines() if line.startswith("line ")] == list(texts)


LAID_OUT = ('{\n  "a": 1\n}', "name  size\na     1", "  indented", "*" * 1500)


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        ("A quiet lake.\nNobody *there*.", "A quiet lake.\nNobody \\*there\\*."),
        ("# not a heading\n> nor a quote", "\\# not a heading\n\\> nor a quote"),
        ("@everyone <@1>", "\\@everyone \\<\\@1>"),
        *((block, f"```\n{block}\n```") for block in LAID_OUT),
    ],
)
def test_sentences_stand_as_text_and_laid_out_texts_in_a_code_block(made: str, shown: str) -> None:
    (part,) = result(PreparedOutputs(texts=(made,)), prompt=None)
    assert shown in text(part)
    assert ("```" in text(part)) is shown.startswith("```")


@pytest.mark.parametrize("kind", [FileKind.IMAGE, FileKind.AUDIO])
def test_notes_that_do_not_fit_go_into_further_messages(kind: FileKind) -> None:
    remarks = tuple(f"file {n}: [open it](https://s3.example/{'x' * 900}{n}) now" for n in range(40))
    parts = result(PreparedOutputs((file(1, kind),), remarks=remarks))
    everything = "\n".join(text(part) for part in parts)
    assert all(note in everything for note in remarks)
    assert [part.mention for part in parts] == [42] + [None] * (len(parts) - 1)


def test_a_link_that_no_message_could_hold_is_left_out_but_not_its_note() -> None:
    note = f"movie.mp4 is too large: [open it](https://s3.example/{'x' * 8000}) while it works."
    parts = result(PreparedOutputs((file(),), remarks=(note,)))
    assert "movie.mp4 is too large: open it (the link is too long to show) while it works." in text(parts[-1])


LABELS = st.lists(st.text("Wi", min_size=1, max_size=32), max_size=6, unique=True)
OFFERED = st.builds(
    lambda labels, emoji, flags: OfferedActions(
        *flags, follow_ups=tuple(action(label, emoji) for label in labels)
    ),
    LABELS,
    st.sampled_from([None, "🔍"]),
    st.tuples(*[st.booleans()] * 5),
)


@given(OFFERED)
def test_any_result_has_again_more_and_delete_in_two_rows_of_a_phone(offered: OfferedActions) -> None:
    (part,) = outcome(MADE, PreparedOutputs((file(),)), "Flux", offered)
    found = buttons(part)
    assert part.layout is not None
    assert button_rows(part.layout.to_components()) <= 2
    assert {f"run:{KEY}:{name}" for name in ("again", "more", "delete")} <= {mark for _, mark in found}
    assert not {"Share", "Details", "Report"} & {label for label, _ in found}
    everything = [*found, *behind_more(offered, found)]
    assert len(everything) == len({mark for _, mark in everything})
    assert {"Edit", "Details"} <= {label for label, _ in everything}


@given(OFFERED)
def test_any_picture_of_a_batch_has_again_and_post_in_two_rows_of_a_phone(offered: OfferedActions) -> None:
    layout = single_layout(replace(MADE, count=2), "Flux", ["https://x/a.png"], offered)
    found = buttons(layout)
    assert button_rows(layout.to_components()) <= 2
    assert {"Again", *(["Post"] if offered.postable else [])} <= {label for label, _ in found}
    hidden = behind_more(offered, found)
    assert hidden == [] or f"run:{KEY}:more" in {mark for _, mark in found}
    reported = "Report" in {label for label, _ in [*found, *hidden]}
    assert reported is offered.reportable


@pytest.mark.parametrize("flags", [*product((True, False), repeat=5)])
def test_an_opened_picture_shows_both_follow_ups_whatever_the_server_offers(flags: tuple[bool, ...]) -> None:
    offered = OfferedActions(*flags, follow_ups=(UPSCALE, ANIMATE))
    layout = single_layout(replace(MADE, count=2), "Flux", ["https://x/a.png"], offered)
    assert {"Upscale", "Animate", "Again"} <= {label for label, _ in buttons(layout)}


def test_a_single_follow_up_behind_more_is_a_button() -> None:
    offered = OfferedActions(vary=True, follow_ups=(UPSCALE, ANIMATE, REMOVE))
    (part,) = outcome(MADE, PreparedOutputs((file(),)), "Flux", offered)
    more = more_layout(MADE, offered, {mark for _, mark in buttons(part)}, ["https://x/a.png"])
    assert "Remove background" in {label for label, _ in buttons(more)}
    assert options(more) == []


NAMES = (
    ("Cut", "Mask", "Zoom", "Tile", "Fix", "Ink"),
    ("Upscale", "Animate", "Restyle", "Recolour", "Outpaint", "Sharpen"),
    ("Remove background", "Make a sticker", "Make a video", "Draw as a sketch", "Add music", "Change season"),
)


def every_offer(count: int, *, is_batch: bool) -> Iterator[OfferedActions]:
    """Yield the actions of a result with so many follow-ups, for each set of a server's features."""
    for names, emoji, flags in product(NAMES, (None, "🔍"), product((True, False), repeat=4)):
        follow_ups = tuple(action(name, emoji) for name in names[:count])
        yield OfferedActions(*flags, postable=is_batch, follow_ups=follow_ups)


@pytest.mark.parametrize("is_batch", [False, True], ids=["single", "batch"])
@pytest.mark.parametrize("count", range(7))
def test_a_result_and_its_more_have_two_rows_of_a_phone_and_delete(count: int, is_batch: bool) -> None:
    links = ["https://x/a.png"]
    made = replace(MADE, count=2) if is_batch else MADE
    for offered in every_offer(count, is_batch=is_batch):
        if is_batch:
            layout = single_layout(made, "Flux", links, offered)
        else:
            (part,) = outcome(made, PreparedOutputs((file(),)), "Flux", offered)
            assert part.layout is not None
            layout = part.layout
        found = buttons(layout)
        more = more_layout(made, offered, {mark for _, mark in found}, links)
        assert button_rows(layout.to_components()) <= 2, found
        assert button_rows(more.to_components()) <= 2, (found, buttons(more))
        assert f"run:{KEY}:delete" in {mark for _, mark in [*found, *buttons(more)]}


@pytest.mark.parametrize("reportable", [False, True])
@pytest.mark.parametrize("count", range(2, 11))
def test_a_batch_has_two_rows_of_a_phone_and_delete(count: int, reportable: bool) -> None:
    batch = runs(*[S.SUCCEEDED] * count)
    prepared = {each.key: PreparedOutputs((file(),)) for each in batch}
    (part,) = outcome_messages(Batch(batch, prepared), "Flux", OfferedActions(reportable=reportable))
    assert part.layout is not None
    assert button_rows(part.layout.to_components()) <= 2
    assert any(mark.endswith(":clear") for _, mark in buttons(part))


@given(OFFERED, st.booleans(), st.booleans())
def test_only_a_deletion_and_what_is_gone_are_not_offered_to_others(
    offered: OfferedActions, deletable: bool, startable: bool
) -> None:
    theirs = replace(offered, startable=startable, deletable=deletable, usable=False, follow_ups=())
    layout = single_layout(replace(MADE, count=2), "Flux", ["https://x/a.png"], theirs)
    found = buttons(layout)
    everything = {label for label, _ in [*found, *behind_more(theirs, found)]}
    assert [label in everything for label in ("Again", "Edit")] == [startable] * 2
    assert ("Delete" in everything) is deletable
    assert "Details" in everything


@given(OFFERED)
def test_nothing_is_left_behind_more_of_a_deleted_result_that_shows_everything(
    offered: OfferedActions,
) -> None:
    deleted = replace(MADE, deleted_at=ASKED)
    gone = replace(offered, usable=False, reportable=False, shareable=False, follow_ups=())
    everything = {mark for _, mark in buttons(more_layout(deleted, gone, (), ()))}
    assert not more_layout(deleted, gone, everything, ()).children
    labels = {label for label, _ in buttons(more_layout(deleted, gone, (), ()))}
    assert labels == {"Again", "Edit", "Details", *(["4 more"] if offered.vary else [])}


@pytest.mark.parametrize(
    ("states", "numbered"),
    [
        ([S.REJECTED, S.REJECTED], False),
        ([S.FAILED, S.CANCELLED, S.REFUSED, S.EXPIRED], False),
        ([S.REFUSED] * 6, False),
        ([S.FAILED, S.SUCCEEDED], True),
        ([S.FAILED, S.UNCONFIRMED], True),
        ([S.FAILED, S.TIMED_OUT], True),
    ],
)
def test_numbers_are_shown_only_if_one_of_them_has_or_may_get_a_result(
    states: list[RunState], numbered: bool
) -> None:
    (part,) = parts(runs(*states))
    found = [mark for _, mark in buttons(part)]
    assert any(mark.endswith((":pick", ":numbers")) for mark in found) is numbered
    assert any(mark.endswith(":details") for mark in found) is not numbered
    assert part.layout is not None
    assert button_rows(part.layout.to_components()) <= 2


def behind_more(offered: OfferedActions, shown: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the buttons and follow-ups behind More under a message with these buttons."""
    marks = {mark for _, mark in shown}
    layout = more_layout(MADE, offered, marks, ["https://x/a.png"])
    selected = [(option["label"], option["value"]) for option in options(layout)]
    return [each for each in [*buttons(layout), *selected] if each[1] not in marks]


@pytest.mark.parametrize(
    ("more", "offered"), [({}, True), ({"private": True}, False), ({"user_install": True}, False)]
)
def test_more_offers_delete_only_where_the_bot_can_remove_the_picture(
    more: dict[str, Any], offered: bool
) -> None:
    made = run(RunState.SUCCEEDED, outputs=(Output("images", url="https://x/a.png"),), **more)
    rows, _ = hidden_buttons(made, OfferedActions(), (), picture=True)
    assert (f"run:{KEY}:delete" in [each.custom_id for row in rows for each in row]) is offered


LINK = "https://files.example/{}?sig=abc"


def done(count: int, *texts: str, **more: Any) -> Run:
    links = (Output("images", LINK.format(number), "x" * 300) for number in range(count))
    outputs = (*links, *(Output("text", text=each) for each in texts))
    return run(RunState.SUCCEEDED, outputs=outputs, **more)


@pytest.mark.parametrize("count", [0, 1, 60, 400])
def test_plain_messages_have_every_link_within_discords_limits(count: int) -> None:
    made = done(count, *["`a` " * 2000] * 3)
    parts = plain_messages([made], [made], may_link)
    for part in parts:
        assert_within_limits(part)
    assert sum(text(part).count("](https://") for part in parts) == count


@given(st.lists(st.text(max_size=300), min_size=1, max_size=3), st.integers(1, 8000))
@example(["a]b.png"], 1900)
@example(["a]b.png", "_" * 80], 8000)
@example(["](https://x.example)" * 4], 8000)
def test_a_link_too_long_for_any_message_leaves_the_name_of_its_file(names: list[str], length: int) -> None:
    """Such a link alone exceeded a message, and an endless series of empty messages filled the memory."""
    url = f"https://files.example/{'x' * length}?sig=[(]"
    made = run(RunState.SUCCEEDED, outputs=tuple(Output("images", url, name) for name in names))
    parts = plain_messages([made], [made], may_link)
    assert len(parts) <= 1 + len(names)
    for part in parts:
        assert_within_limits(part)
        assert text(part)
    shown = "\n".join(map(text, parts))
    for number, name in enumerate(names, 1):
        assert (escape_line(name, 80) or f"file {number}") in shown
    if length < 1700:
        assert shown.count(f"]({url})") == len(names)


@pytest.mark.parametrize("made", [done(1), done(1, guild_id=None), run(RunState.FAILED)])
def test_the_messenger_recognizes_a_plain_message_by_buttons_that_the_usual_one_has(made: Run) -> None:
    shown = [made] if made.state is RunState.SUCCEEDED else []
    (usual,) = outcome(made, linked_outputs(made, may_link))
    plain = plain_messages([made], shown, may_link)[0]
    assert {mark for _, mark in buttons(plain)} <= {mark for _, mark in buttons(usual)}
