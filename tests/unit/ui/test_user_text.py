"""What users write never becomes a link, a mention or formatting, in whichever message it is shown."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import InputError
from bot.strings import explain
from tests.unit.deployments.flux import file, refused
from tests.unit.ui import user_texts
from tests.unit.ui.messages import text
from tests.unit.ui.user_texts import SHOWING

# What Discord's clients obey, and first what they don't: escapes, and the bot's own code blocks.
TOKENS = re.compile(
    r"\\[^A-Za-z0-9\s]|^```\n.*?\n```$"
    r"|(?P<live>`[^`\n]*`|https?://[^\s<>]*|\w+://|discord(?:\.gg|(?:app)?\.com/invite)/\w+|\[[^\]\n]*\]\(|<[@#:/at][^>\s]*>"
    r"|@everyone|@here|\*+|_{2,}|\b_|_\b|~~|\|\||`+|^\s*(?:\#{1,3}|>|-\#|-|\*|\d+\.)\s)",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
HOSTILE = (
    "https://evil.example/a_b",
    "[text](https://evil.example)",
    "[text](<https://evil.example>)",
    "<https://evil.example>",
    "HTTP://evil.example",
    "discord.gg/evil",
    "discord.com/invite/evil",
    "steam://run/1",
    "@everyone",
    "<@1>",
    "<@&1>",
    "<#1>",
    "<t:1:R>",
    "<:a:1>",
    "</help:1>",
    "**b**",
    "_i_",
    "~~s~~",
    "||x||",
    "`c`",
    "```d```",
    "# big",
    "> quote",
    "-# small",
    "1. one",
    "\\",
    "\n",
    "\u200b",
    "a red fox",
)
# A text that nobody can see is left out.
words = (st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=3).map(" ".join) | st.text(max_size=60)).map(
    lambda said: f"{said} fox"
)


def live(shown: str) -> Counter[str]:
    """Count what is obeyed in a text."""
    found = (match["live"] for match in TOKENS.finditer(shown))
    return Counter(_kind(token) for token in found if token)


def _kind(token: str) -> str:
    """Return a token without what is in a code span or in a link's text, which isn't obeyed."""
    return token[0] if token[0] in "`[" else token.strip()


@cache
def shown(name: str, said: str) -> Counter[str]:
    return live("\n".join(text(part) for part in SHOWING[name](said)))


@pytest.mark.parametrize("name", SHOWING)
@given(said=words)
def test_no_word_of_a_user_is_obeyed(name: str, said: str) -> None:
    assert not shown(name, said) - shown(name, "fox")


@pytest.mark.parametrize("said", HOSTILE)
def test_the_search_finds_what_is_not_escaped(said: str) -> None:
    assert bool(live(said)) is (said not in ("\\", "\n", "\u200b", "a red fox"))


@pytest.mark.parametrize("name", SHOWING)
def test_a_legitimate_text_is_shown_as_it_was_written(name: str) -> None:
    said = "a fox: 2/3 red, at f/1.8"
    assert any(said in text(part) for part in SHOWING[name](said))


def refusals(said: str) -> list[InputError]:
    """Return refusals that quote a value, a name of an option and a file's name."""
    name = f"x{re.sub('[=,]', '', said)}"
    return [
        refused(sampler=f"{said}x"),
        refused(steps=f"{said}x"),
        refused(more=f"{name}=1"),
        refused(more=f"{name},"),
        refused(gpu=f"{said}x"),
        refused(image=file(f"{said}x", "text/plain")),
        refused(image=file(f"{said}x", size=0)),
    ]


@given(said=words)
def test_no_refusal_obeys_the_value_that_it_quotes(said: str) -> None:
    for error, plain in zip(refusals(said), refusals("fox"), strict=True):
        assert not live(explain(error)) - live(explain(plain)), explain(error)


BUILDERS = re.compile(r"OutgoingMessage|LayoutView|Details")
# These show no words of users, or only those that their callers have escaped.
WITHOUT_WORDS = {
    "closed_report_card",
    "framed",
    "greeting_layout",
    "layout_of",
    "more_layout",
    "origin_message",
    "pictures_layout",
    "refused_layout",
    "remark_messages",
}


def test_every_message_that_is_built_is_among_them() -> None:
    """A new message has to be added to `user_texts.py` or to the list above."""
    source = Path(user_texts.__file__).read_text(encoding="utf-8")
    called = {
        node.func.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    built = {
        node.name
        for path in (Path(__file__).parents[3] / "bot" / "ui").rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if node.returns is not None and BUILDERS.search(ast.unparse(node.returns))
    }
    assert built - called == WITHOUT_WORDS
