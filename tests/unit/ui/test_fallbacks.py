"""Messages that stand in for an outcome that can't be shown as usual."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.runs import Output, Run, RunState
from bot.ui.fallbacks import linked_outputs, plain_messages
from bot.ui.status import undelivered_message
from tests.unit.ui.messages import KEY, assert_within_limits, buttons, outcome, run, text

LINK = "https://files.example/{}?sig=abc"


def done(*outputs: Output, **more: Any) -> Run:
    return run(RunState.SUCCEEDED, outputs=outputs, **more)


def output(number: int, name: str | None = "a_b.png") -> Output:
    return Output("images", LINK.format(number), name)


def test_each_file_becomes_a_link_and_texts_stay() -> None:
    made = done(output(1), Output("text", text="a caption"), output(2, None))
    linked = linked_outputs(made)
    assert linked.texts == ("a caption",)
    assert [remark.partition(" while")[0] for remark in linked.remarks] == [
        f"I couldn't attach a\\_b.png: [open it]({LINK.format(1)})",
        f"I couldn't attach file 2: [open it]({LINK.format(2)})",
    ]
    (message,) = outcome(made, linked)
    assert "a caption" in text(message)


def test_a_plain_message_has_the_links_and_the_requester() -> None:
    (message,) = plain_messages([(made := done(output(1)))], [made])
    assert text(message).splitlines() == [
        "<@42> This is done, but I couldn't show it as usual. Here it is, plainly:",
        f"[a\\_b.png]({LINK.format(1)})",
    ]
    assert message.mention == 42
    assert buttons(message) == [(name, f"run:{KEY}:{name.lower()}") for name in ("More", "Delete")]


@pytest.mark.parametrize("count", [0, 1, 60, 400])
def test_plain_messages_stay_within_discords_limits(count: int) -> None:
    texts = [Output("text", text="`a` " * 2000)] * 3
    made = done(*(output(n, "x" * 300) for n in range(count)), *texts)
    parts = plain_messages([made], [made])
    for part in parts:
        assert_within_limits(part)
    assert sum(text(part).count("](https://") for part in parts) == count


def test_the_courier_recognizes_a_plain_message_by_buttons_that_the_usual_one_has() -> None:
    for made in (done(output(1)), done(output(1), guild_id=None), run(RunState.FAILED)):
        shown = [made] if made.state is RunState.SUCCEEDED else []
        (usual,) = outcome(made, linked_outputs(made))
        assert {mark for _, mark in buttons(plain_messages([made], shown)[0])} <= {
            m for _, m in buttons(usual)
        }


def test_nothing_is_shown_that_a_spoiler_or_a_channel_hides() -> None:
    made = done(Output("text", text="a secret"), spoiler=True)
    assert "a secret" not in text(plain_messages([made], [made])[0])
    made = done(output(1))
    assert "https" not in text(plain_messages([made], [made], with_links=False)[0])


def test_several_are_told_in_one_message_and_deleted_together() -> None:
    first = done(output(1), batch_size=2)
    second = replace(done(output(2), batch_size=2), key="b" * 16, batch_index=1)
    (message,) = plain_messages([first, second], [first, second])
    assert text(message).count("](https://") == 2
    assert [mark for _, mark in buttons(message)] == [f"run:{KEY}:clear"]


def test_a_status_message_names_the_list() -> None:
    message = undelivered_message([done(output(1))], "Flux")
    assert_within_limits(message)
    assert text(message).splitlines() == [
        "### Couldn't be posted: Flux",
        "> a lighthouse",
        "This has ended, but I couldn't post it here. Please open `/runs`.",
    ]
    assert buttons(message) == [("Delete", f"run:{KEY}:discard")]
