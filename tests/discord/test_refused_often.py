"""Requesters who are refused again and again are slowed down before anything is read or written."""

from __future__ import annotations

from typing import Any

from bot.services.rate_limits import REFUSALS_PER_PERSON, REFUSALS_PER_SERVER
from tests.discord.moderated_server import set_rules
from tests.discord.presets import share
from tests.discord.rendered import refusal
from tests.harness import Harness

SLOW_DOWN = "Too many of your requests were refused. Please try again <t:"
WORDS = {"words": {"blocked": ["fox"]}}


async def refusals(bot: Harness) -> int:
    return sum(line.action == "refusal" for line in await bot.audit())


async def told(bot: Harness, actor: Any = None, prompt: str = "a fox") -> str:
    answer = await (actor or bot.alice).slash(bot.channel, "generate", prompt=prompt)
    assert answer.ephemeral
    return refusal(bot, answer)


async def test_after_a_few_refusals_a_person_is_told_when_to_try_again(bot: Harness) -> None:
    await set_rules(bot, **WORDS)
    for _ in range(REFUSALS_PER_PERSON):
        assert (await told(bot)).startswith("`prompt` contains something")
    bot.clock.move(seconds=20)
    until = f"{SLOW_DOWN}{int(bot.clock().timestamp()) + 41}:R>."
    for prompt in ("a fox", "a hare"):
        assert await told(bot, prompt=prompt) == until
    assert await refusals(bot) == REFUSALS_PER_PERSON
    # Nobody else is slowed down.
    assert not (await bot.ask(bot.bob, prompt="a hare")).ephemeral
    bot.clock.move(seconds=41)
    assert (await told(bot)).startswith("`prompt` contains something")
    assert not (await bot.ask(prompt="a hare")).ephemeral


async def test_a_forbidden_word_of_a_channels_default_is_not_the_members_refusal(bot: Harness) -> None:
    await share(bot, "house", prompt="a fox, {prompt}", default_in=[bot.channel])
    await set_rules(bot, **WORDS)
    for _ in range(REFUSALS_PER_PERSON + 1):
        assert await told(bot, prompt="a hare") == (
            "The channel's default **house** contains something forbidden. "
            "Choose another `preset`, or tell a moderator."
        )
    assert await refusals(bot) == 0
    await set_rules(bot, words={"blocked": ["hare"]})
    assert (await told(bot, prompt="a hare")).startswith("`prompt` contains something")
    assert await refusals(bot) == 1
    assert not (await bot.ask(prompt="a hen")).ephemeral


async def test_again_is_slowed_down_like_the_command(bot: Harness) -> None:
    message = await bot.made()
    await set_rules(bot, **WORDS)
    for _ in range(REFUSALS_PER_PERSON):
        await bot.alice.click(message, label="Again")
    answer = await bot.alice.click(message, label="Again")
    assert refusal(bot, answer).startswith(SLOW_DOWN)
    assert await refusals(bot) == REFUSALS_PER_PERSON


async def test_on_a_server_with_many_refusals_each_person_is_slowed_down_after_one(bot: Harness) -> None:
    await set_rules(bot, **WORDS)
    crowd = [bot.guild.add_member(bot.env.create_user(f"p{n}")) for n in range(REFUSALS_PER_SERVER // 5 + 1)]
    for person in crowd[:-1]:
        for _ in range(5):
            await told(bot, person)
    late = crowd[-1]
    assert (await told(bot, late)).startswith("`prompt` contains something")
    assert (await told(bot, late)).startswith(SLOW_DOWN)
    assert await refusals(bot) == REFUSALS_PER_SERVER + 1
    assert not (await bot.ask(bot.bob, prompt="a hare")).ephemeral


async def test_double_presses_slow_nobody_down(bot: Harness) -> None:
    message = await bot.made()
    answers = [await bot.alice.click(message, label="Again") for _ in range(REFUSALS_PER_PERSON + 2)]
    assert [answer.ephemeral for answer in answers] == [False] + [True] * (REFUSALS_PER_PERSON + 1)
    assert not (await bot.ask()).ephemeral
