"""Whatever starts a run asks all that `/generate` is asked: Integrations, pause, blocks, words, roles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

import pytest

from tests.discord.actors import override
from tests.discord.moderated_server import set_rules
from tests.discord.rendered import refusal, text_of
from tests.harness import Harness
from tests.sampling import every_nth

Act = Callable[[Harness, Any], Awaitable[Any]]


async def again(bot: Harness, message: Any) -> Any:
    return await bot.alice.click(message, label="Again")


async def edit(bot: Harness, message: Any) -> Any:
    return await bot.alice.click(message, label="Edit")


async def use(bot: Harness, message: Any) -> Any:
    return await bot.alice.click(message, label="Use as input")


async def menu(bot: Harness, message: Any) -> Any:
    return await bot.alice.context_menu(bot.channel, "Use as input", message)


async def preset(bot: Harness, message: Any) -> Any:
    return await bot.alice.slash(bot.channel, "preset use", name="noir")


async def typed_preset(bot: Harness, message: Any) -> Any:
    return await bot.alice.slash(bot.channel, "generate", prompt="a fox", preset="noir")


async def edit_sent(bot: Harness, message: Any) -> Any:
    """Submit a form that was opened before the rule was set."""
    return await bot.alice.submit_modal(bot.opened["edit"], {"prompt": "a fox"})  # type: ignore[attr-defined]


async def use_sent(bot: Harness, message: Any) -> Any:
    return await bot.alice.submit_modal(bot.opened["use"], {"prompt": "a fox"})  # type: ignore[attr-defined]


WAYS: dict[str, Act] = {
    "again": again,
    "preset use": preset,
    "generate with a preset": typed_preset,
    "edit, sent": edit_sent,
    "use as input, sent": use_sent,
}
# Those that only open something: what would be refused is refused before anything is typed.
OPENING: dict[str, Act] = {"edit": edit, "use as input": use, "use as input, by the menu": menu}


async def rehearsed(bot: Harness) -> Any:
    """Create a result of Alice's, a preset and two open forms, for a rule to be set afterwards."""
    await bot.ask(style="ink")
    (message,) = bot.messages()
    await bot.alice.slash(bot.channel, "preset save", name="noir")
    bot.opened = {  # type: ignore[attr-defined]
        "edit": await edit(bot, message),
        "use": await use(bot, message),
    }
    return message


def told(bot: Harness, refused: Any) -> str:
    assert refused.ephemeral
    refusal(bot, refused)
    return text_of(bot, refused.response)


async def paused(bot: Harness) -> None:
    await bot.app.store.pause.pause("moving", by=1, now=bot.clock())


async def blocked(bot: Harness) -> None:
    await bot.app.store.blocks.block(
        bot.guild.id, bot.alice.id, by=1, reason="spam", until=None, now=bot.clock()
    )


async def words(bot: Harness) -> None:
    await set_rules(bot, words={"blocked": ["fox"]})


async def roles(bot: Harness) -> None:
    await set_rules(bot, deployment_roles={(await bot.run()).deployment: [4242]})


async def budget(bot: Harness) -> None:
    await set_rules(bot, budgets={"person": {"runs_a_day": 1}})


async def integrations(bot: Harness) -> None:
    override(bot, {bot.alice.user: False})


async def whole_bot(bot: Harness) -> None:
    bot.guild.set_command_permissions(bot.env.backend.application_id, {bot.alice.user: False})


RULES: dict[str, tuple[Callable[[Harness], Awaitable[None]], str]] = {
    "pause": (paused, "Generating is paused for the moment: moving"),
    "block": (blocked, "A moderator has blocked you from generating on this server: spam"),
    "words": (words, "`prompt` contains something that this server doesn't allow."),
    "roles": (roles, "Your roles can't use this."),
    "budget": (budget, "You have used your 1 runs for today."),
}
# Discord itself hides these.
HIDDEN = {(whole_bot, "preset use"), (whole_bot, "use as input, by the menu")}
OF_INTEGRATIONS = "This server's settings don't let you use this here."


@pytest.mark.parametrize(("rule", "way"), every_nth(list(product(RULES, WAYS)), len(WAYS) + 1))
async def test_a_servers_and_the_operators_rules_hold(bot: Harness, rule: str, way: str) -> None:
    message = await rehearsed(bot)
    comes, sentence = RULES[rule]
    await comes(bot)
    assert told(bot, await WAYS[way](bot, message)).startswith(sentence)
    await bot.play()
    assert len(bot.calls) == 1


@pytest.mark.parametrize(
    ("way", "rule"),
    every_nth(
        [
            (way, rule)
            for way in {**WAYS, **OPENING}
            for rule in (integrations, whole_bot)
            if way != "generate with a preset" and (rule, way) not in HIDDEN
        ],
        2,
    ),
)
async def test_discords_own_permissions_hold(
    bot: Harness, rule: Callable[[Harness], Awaitable[None]], way: str
) -> None:
    """`/generate` and the menu themselves are hidden by Discord; `/preset use` has lines of its own."""
    message = await rehearsed(bot)
    await rule(bot)
    await bot.restart()
    assert told(bot, await {**WAYS, **OPENING}[way](bot, message)) == OF_INTEGRATIONS
    await bot.play()
    assert len(bot.calls) == 1
