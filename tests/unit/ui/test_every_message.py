"""Every message as a person sees it, within Discord's limits, and with any words of a user in it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from discord.ui.view import BaseView
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import InputError
from bot.domain.runs import RunState
from bot.strings import explain
from bot.ui.message_parts import OutgoingMessage
from tests.unit.deployments.flux import file, refused
from tests.unit.ui import about_runs, about_servers
from tests.unit.ui.about_runs import ABOUT_RUNS, run
from tests.unit.ui.about_servers import ABOUT_SERVERS
from tests.unit.ui.crowded import CROWDED
from tests.unit.ui.messages import ASKED, assert_within_limits, text, view_in
from tests.unit.ui.snapshot import FOLDER, compare, told

EVERY = {**ABOUT_RUNS, **ABOUT_SERVERS}
WORST = "*_`~<@[" * 1000


def parts_of(shown: Mapping[str, Any]) -> Iterator[OutgoingMessage | BaseView]:
    for each in shown.values():
        yield from each if isinstance(each, list | tuple) else [each]


def described(messages: Mapping[str, Any]) -> Iterator[str]:
    """Yield each message whole, or by its difference from the earlier one that it is most like."""
    earlier: dict[str, list[str]] = {}
    for name, shown in messages.items():
        lines = told(shown).splitlines()
        ways = {f"== {name}": lines}
        for other, known in earlier.items():
            changes = list(unified_diff(known, lines, n=0, lineterm=""))[2:]
            ways[f"== {name}, as “{other}”"] = [each for each in changes if each[:2] != "@@"]
        heading = min(ways, key=lambda way: len(ways[way]))
        yield "\n".join([heading, *ways[heading], ""])
        earlier[name] = lines


@pytest.mark.parametrize("name", EVERY)
def test_messages_are_as_in_their_file(name: str) -> None:
    compare(name, "\n".join(described(EVERY[name](str))))


def test_every_file_has_its_messages() -> None:
    assert {path.stem for path in FOLDER.glob("*")} == {*EVERY, "audit_file"}


@pytest.mark.parametrize("name", EVERY)
def test_a_line_of_facts_begins_with_a_capital_letter(name: str) -> None:
    own_words = ("a lighthouse", "prompt: ")
    facts = re.findall(r"-# ([a-z].*)", (FOLDER / f"{name}.txt").read_text(encoding="utf-8"))
    assert [fact for fact in facts if not fact.startswith(own_words)] == []


@pytest.mark.parametrize("name", [*EVERY, *CROWDED])
def test_messages_with_the_worst_words_are_within_discords_limits(name: str) -> None:
    for part in parts_of({**EVERY, **CROWDED}[name](lambda _: WORST)):
        assert_within_limits(part)


@pytest.mark.parametrize("name", EVERY)
@given(said=st.text(max_size=7000).map(lambda said: f"{said}x"))
def test_messages_with_any_words_are_within_discords_limits(name: str, said: str) -> None:
    for part in parts_of(EVERY[name](lambda _: said)):
        assert_within_limits(part)


@pytest.mark.parametrize("name", EVERY)
async def test_views_are_sent_stopped_so_that_the_library_keeps_none(name: str) -> None:
    views = filter(None, map(view_in, parts_of(EVERY[name](str))))
    assert all(view.is_finished() for view in views)


# What Discord's clients obey, and first what they don't: escapes, and the bot's own code blocks.
TOKENS = re.compile(
    r"\\[^A-Za-z0-9\s]|^```\n.*?\n```$"
    r"|(?P<live>`[^`\n]*`|https?://[^\s<>]*|\w+://|discord(?:\.gg|(?:app)?\.com/invite)/\w+|\[[^\]\n]*\]\(|<[@#:/at][^>\s]*>"
    r"|@everyone|@here|\*+|_{2,}|\b_|_\b|~~|\|\||`+|^\s*(?:\#{1,3}|>|-\#|-|\*|\d+\.)\s)",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
HOSTILE = (
    *("https://evil.example/a_b", "<https://evil.example>", "HTTP://evil.example"),
    *("[text](https://evil.example)", "[text](<https://evil.example>)", "steam://run/1"),
    *("discord.gg/evil", "discord.com/invite/evil"),
    *("@everyone", "<@1>", "<@&1>", "<#1>", "<t:1:R>", "<:a:1>", "</help:1>"),
    *("**b**", "_i_", "~~s~~", "||x||", "`c`", "```d```", "# big", "> quote", "-# small", "1. one"),
)
HARMLESS = ("\\", "\n", "\u200b", "a red fox")
# A text that nobody can see is left out.
words = (
    st.lists(st.sampled_from((*HOSTILE, *HARMLESS)), min_size=1, max_size=3).map(" ".join)
    | st.text(max_size=60)
).map(lambda said: f"{said} fox")


def live(shown: str) -> Counter[str]:
    """Count what is obeyed in a text. What is in a code span or in a link's text isn't."""
    found = (match["live"] for match in TOKENS.finditer(shown))
    return Counter(token[0] if token[0] in "`[" else token.strip() for token in found if token)


@cache
def obeyed(name: str, said: str) -> Counter[str]:
    return live("\n".join(text(part) for part in parts_of(EVERY[name](lambda _: said))))


@pytest.mark.parametrize("name", EVERY)
@given(said=words)
def test_no_word_of_a_user_is_obeyed(name: str, said: str) -> None:
    assert not obeyed(name, said) - obeyed(name, "fox")


@pytest.mark.parametrize("said", [*HOSTILE, *HARMLESS])
def test_the_search_finds_what_is_not_escaped(said: str) -> None:
    assert bool(live(said)) is (said in HOSTILE)


@pytest.mark.parametrize("name", [each for each in EVERY if each not in ("forms", "setting_forms")])
def test_a_legitimate_text_is_shown_as_it_was_written(name: str) -> None:
    said = "a fox: 2/3 red, at f/1.8"
    assert any(said in text(part) for part in parts_of(EVERY[name](lambda _: said)))


@given(said=words)
def test_no_refusal_obeys_the_value_that_it_quotes(said: str) -> None:
    def refusals(said: str) -> list[InputError]:
        name = f"x{re.sub('[=,]', '', said)}"
        return [
            *(refused(**{option: f"{said}x"}) for option in ("sampler", "steps", "gpu")),
            *(refused(more=more) for more in (f"{name}=1", f"{name},")),
            *(refused(image=each) for each in (file(f"{said}x", "text/plain"), file(f"{said}x", size=0))),
        ]

    for error, plain in zip(refusals(said), refusals("fox"), strict=True):
        assert not live(explain(error)) - live(explain(plain)), explain(error)


UNSEEN: Mapping[RunState, Mapping[str, Any]] = {
    RunState.REJECTED: {"decided_by": 5, "decided_at": ASKED, "failure_code": "rejected"},
    RunState.EXPIRED: {"failure_code": "expired"},
    RunState.CANCELLED: {},
    RunState.REFUSED: {"failure_code": "review_unreachable"},
}


@pytest.mark.parametrize("state", UNSEEN)
def test_a_request_that_no_moderator_approved_is_not_shown(state: RunState) -> None:
    more = {"failure_params": {"reason": "a secret reason"}, **UNSEEN[state]}
    asked = run(str, state, review_channel_id=9, gpu="H100", gpu_used="H100", **more)
    for part in about_runs.outcome(asked):
        assert not re.search("lighthouse|seed|H100|secret", text(part))


# These only hold what their callers put into them.
PARTS = {"framed", "layout_of", "modal_of", "origin_message", "remark_messages"}


def test_every_builder_of_a_message_is_called() -> None:
    """A new message has to be added to `about_runs.py` or `about_servers.py`."""
    sources = [
        Path(module.__file__ or "").read_text(encoding="utf-8") for module in (about_runs, about_servers)
    ]
    called = {
        node.func.id
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    built = {
        node.name
        for path in (Path(__file__).parents[3] / "bot" / "ui").rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if node.returns is not None
        and re.search("OutgoingMessage|LayoutView|Modal|Details", ast.unparse(node.returns))
    }
    assert built - called <= PARTS
