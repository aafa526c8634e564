"""Every message is within Discord's limits, and obeys nothing that a user wrote in it."""

from __future__ import annotations

import re
from collections import Counter
from random import Random
from typing import Any

import pytest
from discord.ui import Select

from bot.domain.errors import InputError
from bot.domain.runs import RunState
from bot.domain.settings.fields import SECTIONS
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.sentences import explain
from bot.ui.settings import Panel, panel_layout
from tests.unit.deployments.flux import file, refused
from tests.unit.ui.drawn import BUILDERS, Drawer, parts_of
from tests.unit.ui.messages import assert_within_limits, text, view_in

S = RunState
WORST = "*_`~<@[" * 1000
SEEDS = range(8)
every_message = pytest.mark.parametrize("name", BUILDERS)


def drawn(name: str, seed: int, said: str, *, full: bool = False) -> list[Any]:
    return list(parts_of(Drawer(seed, said, full=full).call(BUILDERS[name])))


@every_message
@pytest.mark.parametrize("said", [WORST, "x" * 7000, "fox"], ids=["marks", "long", "short"])
def test_a_message_is_within_discords_limits_however_much_is_in_it(name: str, said: str) -> None:
    for seed in SEEDS:
        for full in (False, True):
            for part in drawn(name, seed, said, full=full):
                assert_within_limits(part)


@every_message
async def test_views_are_sent_stopped_so_that_the_library_keeps_none(name: str) -> None:
    views = filter(None, map(view_in, drawn(name, 1, "fox", full=True)))
    assert all(view.is_finished() for view in views)


def test_a_select_forgets_the_choice_when_the_panel_is_shown_again() -> None:
    full = Drawer(0, "fox", full=True).context()
    before, after = (
        panel_layout(Panel(SECTIONS["deployments"], turn=turn), ServerRules(), full) for turn in (1, 1000)
    )
    ids = [
        {each.id for each in panel.walk_children() if isinstance(each, Select)} for panel in (before, after)
    ]
    assert ids[0].isdisjoint(ids[1])


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


def live(shown: str) -> Counter[str]:
    """Count what is obeyed, with all ids alike. What is in a code span or in a link's text isn't."""
    found = (match["live"] for match in TOKENS.finditer(re.sub(r"\d{12,}", "1" * 12, shown)))
    return Counter(token[0] if token[0] in "`[" else token.strip() for token in found if token)


def shown(name: str, seed: int, said: str) -> str:
    return "\n".join(text(part) for part in drawn(name, seed, said))


@every_message
def test_no_hostile_word_is_obeyed(name: str) -> None:
    for seed, said in enumerate(HOSTILE * 2):
        hostile = f"{said} {Random(seed).choice((*HOSTILE, *HARMLESS))} fox"
        assert not live(shown(name, seed, hostile)) - live(shown(name, seed, "fox")), hostile


@every_message
def test_a_legitimate_text_is_shown_as_it_was_written(name: str) -> None:
    said = "a fox: 2/3 red, at f/1.8"
    found = "".join(shown(name, seed, said) for seed in SEEDS)
    assert said in found or "fox" not in found


@pytest.mark.parametrize("said", HOSTILE)
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
