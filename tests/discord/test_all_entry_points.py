"""Everything that starts a run is judged like `/generate`: Integrations, pause, blocks, words, roles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

import pytest

from tests.discord.actors import block, override, pause, press_behind
from tests.discord.moderated_server import set_rules
from tests.discord.rendered import buttons_of, refusal, text_of
from tests.harness import Harness
from tests.sampling import every_nth

Act = Callable[[Any, Any], Awaitable[Any]]


WAYS: dict[str, Act] = {
    "again": lambda bot, message: bot.alice.click(message, label="Again"),
    "preset use": lambda bot, _: bot.alice.slash(bot.channel, "preset use", name="noir"),
    "generate with a preset": lambda bot, _: bot.ask(preset="noir"),
    # Forms that were opened before the rule was set.
    "edit, sent": lambda bot, _: bot.alice.submit_modal(bot.opened["edit"], {"prompt": "a fox"}),
    "use as input, sent": lambda bot, _: bot.alice.submit_modal(bot.opened["use"], {"prompt": "a fox"}),
}
# These only open something.
OPENING: dict[str, Act] = {
    "edit": lambda bot, message: bot.alice.click(message, label="Edit"),
    "use as input": lambda bot, message: press_behind(bot, message, "Use as input", bot.alice),
    "use as input, by the menu": lambda bot, message: bot.alice.context_menu(
        bot.channel, "Use as input", message
    ),
}


async def rehearsed(bot: Any) -> Any:
    """Create a result of Alice's, a preset and two open forms, for a rule to be set afterwards."""
    message = await bot.made(style="ink")
    await bot.alice.slash(bot.channel, "preset save", name="noir")
    opened = {"edit": "Edit", "use": "Use as input"}
    bot.opened = {name: await press_behind(bot, message, label) for name, label in opened.items()}
    return message


def told(bot: Harness, refused: Any) -> str:
    assert refused.ephemeral
    refusal(bot, refused)
    return text_of(bot, refused.response)


RULES: dict[str, tuple[Callable[[Harness], Awaitable[None]], str]] = {
    "pause": (
        pause,
        "Generating is paused for the moment: moving",
    ),
    "block": (
        lambda bot: block(bot, bot.alice),
        "You can't generate on this server. Reason from the moderators: “spam”",
    ),
    "words": (
        lambda bot: set_rules(bot, words={"blocked": ["fox"]}),
        "Your **prompt** has a word that this server blocks.",
    ),
    "roles": (
        lambda bot: set_rules(bot, deployment_roles={"default": [4242]}),
        "Your roles can't use this.",
    ),
    "budget": (
        lambda bot: set_rules(bot, budgets={"person": {"runs_a_day": 1}}),
        "You have reached today's limit of 1.",
    ),
}

HELPED_BY_EDITING = {"words"}


def the_command(bot: Harness) -> None:
    override(bot, {bot.alice.user: False})


def the_whole_bot(bot: Harness) -> None:
    bot.guild.set_command_permissions(bot.env.backend.application_id, {bot.alice.user: False})


# Discord itself hides these.
HIDDEN = {(the_whole_bot, "preset use"), (the_whole_bot, "use as input, by the menu")}
OF_INTEGRATIONS = "This server's settings don't let you use this here."


@pytest.mark.parametrize(("rule", "way"), every_nth(list(product(RULES, WAYS)), len(WAYS) + 1))
async def test_a_servers_and_the_operators_rules_hold(bot: Harness, rule: str, way: str) -> None:
    message = await rehearsed(bot)
    comes, sentence = RULES[rule]
    await comes(bot)
    refused = await WAYS[way](bot, message)
    assert told(bot, refused).startswith(sentence)
    assert ("Edit and try again" in buttons_of(bot, refused.response)) is (rule in HELPED_BY_EDITING)
    await bot.play()
    assert len(bot.calls) == 1


@pytest.mark.parametrize(
    ("way", "rule"),
    every_nth(
        [
            (way, rule)
            for way in {**WAYS, **OPENING}
            for rule in (the_command, the_whole_bot)
            if way != "generate with a preset" and (rule, way) not in HIDDEN
        ],
        2,
    ),
)
async def test_discords_own_permissions_hold(bot: Harness, rule: Callable[[Harness], None], way: str) -> None:
    """`/generate` and the menu themselves are hidden by Discord; `/preset use` has lines of its own."""
    message = await rehearsed(bot)
    rule(bot)
    await bot.restart()
    refused = await {**WAYS, **OPENING}[way](bot, message)
    assert told(bot, refused) == OF_INTEGRATIONS
    assert "Edit and try again" not in buttons_of(bot, refused.response)
    await bot.play()
    assert len(bot.calls) == 1
