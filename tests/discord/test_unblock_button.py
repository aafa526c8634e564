"""The button *Unblock* beside each entry of `/blocked`."""

from __future__ import annotations

from typing import Any

import pytest
from simcord import MemberActor

from tests.discord.actors import block_by_id, blocked, moderator
from tests.discord.forged import own_answer, press
from tests.discord.rendered import refusal, text_of, unblock_buttons
from tests.harness import Harness


def answer(result: Any) -> str:
    """Return what the person is told beside the list."""
    (told,) = result.followups
    assert told.ephemeral
    return str(told.content)


async def test_it_does_what_the_command_does_also_after_a_restart(bot: Harness, mona: MemberActor) -> None:
    await mona.slash(bot.channel, "block", user=bot.bob, reason="spam")
    await mona.slash(bot.channel, "block", user=bot.alice, reason="more spam")
    listed = (await mona.slash(bot.channel, "blocked")).response
    await bot.restart()
    done = await mona.click(listed, custom_id=unblock_buttons(bot, listed)[bot.bob.id])
    assert answer(done) == f"<@{bot.bob.id}> can generate here again."
    assert list(unblock_buttons(bot, listed)) == [bot.alice.id]
    assert f"<@{bot.bob.id}>" not in text_of(bot, listed)
    entry = (await bot.audit())[-1]
    assert (entry.action, entry.actor_id, entry.subject_id) == ("unblock", mona.id, bot.bob.id)
    assert not (await bot.ask(bot.bob)).ephemeral
    assert refusal(bot, await bot.ask()).endswith("“more spam”")
    done = await mona.click(listed, custom_id=unblock_buttons(bot, listed)[bot.alice.id])
    assert "Nobody." in text_of(bot, listed)


async def test_the_last_entry_of_the_last_page_leaves_the_page_before(
    bot: Harness, mona: MemberActor
) -> None:
    await block_by_id(bot, mona, range(1, 12))
    listed = (await mona.slash(bot.channel, "blocked")).response
    await mona.click(listed, label="Older")
    assert list(unblock_buttons(bot, listed)) == [1]
    await mona.click(listed, custom_id=unblock_buttons(bot, listed)[1])
    assert list(unblock_buttons(bot, listed)) == list(range(11, 1, -1))


@pytest.mark.parametrize("again", ["by the same moderator", "by another", "by the command", "by its end"])
async def test_a_block_that_has_ended_is_not_lifted_twice(
    bot: Harness, mona: MemberActor, again: str
) -> None:
    await mona.slash(bot.channel, "block", user=bot.bob, reason="spam", duration="hour")
    listed = (await mona.slash(bot.channel, "blocked")).response
    custom_id = unblock_buttons(bot, listed)[bot.bob.id]
    if again == "by the command":
        await mona.slash(bot.channel, "unblock", user=bot.bob)
    elif again == "by its end":
        bot.clock.move(hours=2)
    elif again == "by another":
        otto = moderator(bot, "otto")
        await otto.click((await otto.slash(bot.channel, "blocked")).response, custom_id=custom_id)
    else:
        await press(bot, mona, listed, custom_id)
    entries = len(await bot.audit())
    late = await press(bot, mona, listed, custom_id)
    assert refusal(bot, late) == f"<@{bot.bob.id}> isn't blocked here. `/blocked` shows who is."
    assert len(await bot.audit()) == entries


async def test_only_moderators_can_press_it(bot: Harness, mona: MemberActor) -> None:
    await mona.slash(bot.channel, "block", user=bot.bob, reason="spam")
    listed = (await mona.slash(bot.channel, "blocked")).response
    custom_id = unblock_buttons(bot, listed)[bot.bob.id]
    refused = await press(bot, bot.bob, await own_answer(bot, bot.bob), custom_id)
    assert refusal(bot, refused) == "Only this server's moderators can do that."
    assert await blocked(bot, mona) == [bot.bob.id]


async def test_a_forged_button_is_answered(bot: Harness, mona: MemberActor) -> None:
    listed = (await mona.slash(bot.channel, "blocked")).response
    refused = await press(bot, mona, listed, f"unblock:0:{1 << 63}")
    assert refusal(bot, refused) == "This list is out of date. Please open it again with its command."
